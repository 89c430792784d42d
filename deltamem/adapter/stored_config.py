"""``delta_mem_config.json``: whatever a configuration can say, and nothing else.

Ours holds the authors' keys and three of our own, which an authors' file does without:

    "writer": {"name": "segment", "num_states": 1, "unit": "message"}
    "state_dtype": "float32"
    "backbone": {"name": "Qwen/Qwen3-4B-Instruct-2507", "revision": "…", "fingerprint": "…"}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deltamem.adapter.authors_format import AuthorsKeys, authors_keys, without_removed
from deltamem.layers.config import STATE_DTYPES, DeltaMemConfig
from deltamem.writers.stored import stored_writer, writer_of
from deltamem_base.faults import InvalidData, InvalidInput, Unavailable, check_choice
from deltamem_base.json_text import read_document
from deltamem_base.typed_json import typed

__all__ = ["CONFIG", "Origin", "StoredConfig", "config_keys", "read_stored"]

CONFIG = "delta_mem_config.json"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Identity of the backbone that an adapter was trained on."""

    name: str | None = None
    revision: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, kw_only=True)
class Keys(AuthorsKeys):
    """All keys of the file."""

    writer: dict[str, object] | None = None
    state_dtype: str = "float32"
    backbone: Origin | None = None


@dataclass(frozen=True)
class StoredConfig:
    """The configuration of an adapter folder; see the module."""

    path: Path
    keys: Keys

    @property
    def origin(self) -> Origin | None:
        """The backbone that it was trained on; None in an authors' folder."""
        return self.keys.backbone

    @cached_property
    def writer(self) -> dict[str, object]:
        """The writer as plain values, whether or not its class is on this machine.

        Raises:
            InvalidInput: a unit of writing that the authors' format does not have.
        """
        node = self.keys.writer
        return stored_writer(self.keys.published_writer) if node is None else node

    @cached_property
    def config(self) -> DeltaMemConfig:
        """The configuration.

        Raises:
            InvalidInput: a writer that is not known here, or a value that is not among the choices.
        """
        try:
            return self._config()
        except (InvalidInput, InvalidData) as fault:
            raise InvalidInput(f"{self.path}: {fault}") from fault

    def _config(self) -> DeltaMemConfig:
        keys, writer = self.keys, writer_of(self.writer)
        told = (keys.memory_write_granularity, keys.num_state_heads)
        if told != (writer.granularity, writer.num_states):
            raise InvalidInput(
                f"memory_write_granularity is '{told[0]}' and num_state_heads is {told[1]}, "
                f"but the writer '{writer.name}' writes by {writer.granularity} into "
                f"{writer.num_states} state(s)"
            )
        check_choice("state_dtype", keys.state_dtype, STATE_DTYPES)
        return keys.config(writer=writer, state_dtype=keys.state_dtype)


def config_keys(config: DeltaMemConfig) -> dict[str, object]:
    """All keys that say something of an adapter's configuration, as plain values."""
    own = {"writer": stored_writer(config.writer), "state_dtype": config.state_dtype}
    keys: dict[str, object] = json.loads(json.dumps({**authors_keys(config), **own}))
    return keys


def read_stored(folder: Path) -> StoredConfig:
    """The configuration of an adapter folder of either format.

    Raises:
        Unavailable: no adapter there.
        InvalidData: an unknown key, or a value of another type or range.
        InvalidInput: a feature that was removed from δ-mem is switched on.
    """
    path = folder / CONFIG
    if not path.is_file():
        raise Unavailable(f"no adapter in {folder}: {CONFIG} is missing; train one or name another")
    content = read_document(path, dict)
    try:
        keys = without_removed(content)
    except InvalidInput as fault:
        raise InvalidInput(f"{path}: {fault}") from fault
    return StoredConfig(path, typed(keys, Keys, where=str(path)))
