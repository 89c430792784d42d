"""``.dmstate``: a memory state in safetensors, with a manifest of all that gives it its meaning.

layer.{i}        (B, N, R, R), one tensor per layer        metadata: manifest (JSON), sha256

A state is numbers that only one adapter on one backbone can read, so the manifest names both and
the tokenizer and chat template that the text went through. No pickle; written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.adapter.stored_config import config_keys
from deltamem.backbone import Backbone
from deltamem.backbone.generation.finite import first_not_finite
from deltamem.layers.config import STATE_DTYPES, DeltaMemConfig
from deltamem.memory.inspection import TurnNumbers
from deltamem.state import MemoryState
from deltamem_base.faults import InvalidInput, NotFinite, Unavailable
from deltamem_base.json_text import parse_json
from deltamem_base.typed_json import typed
from deltamem_base.whole_files import write_bytes

__all__ = ["Manifest", "SavedState", "Transcript", "load_state", "read_state", "save_state"]

FORMAT = 1
PREFIX = "layer."
LAYER = re.compile(r"layer\.[0-9]{1,4}", re.ASCII)
ROLES = ("system", "user", "assistant")
DTYPES = tuple(getattr(torch, name) for name in STATE_DTYPES)


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """The conversation that a state comes from, so that it can go on."""

    turns: tuple[TurnNumbers, ...] = ()
    """Numbers of each turn, in order."""
    messages: tuple[Mapping[str, str], ...] | None = None
    """Role and content of each; None where the text was left out."""
    whole: bool = True
    """Whether ``messages`` are all that was ever written; the state can then be written anew."""
    shown_from: Annotated[int, Ge(0)] = 0
    """Number of the oldest messages that are out of view, for they were too many."""

    def __post_init__(self) -> None:
        for number, message in enumerate(self.messages or ()):
            if message.keys() != {"role", "content"} or message["role"] not in ROLES:
                raise InvalidInput(
                    f"message {number} of the transcript is {dict(message)!r:.80}; it must have a "
                    f"content and a role among {', '.join(ROLES)}"
                )


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Identity of a state: everything that gives its numbers their meaning."""

    backbone: Mapping[str, str | None]
    """``name``, ``revision`` and ``fingerprint``."""
    adapter: str
    """sha256 of its weights."""
    config: Mapping[str, object]
    """Configuration of the adapter, in the keys of its folder."""
    tokenizer: str
    """sha256 of the tokenizer."""
    template: str
    """sha256 of the chat template and its switches."""
    dtype: str
    date: str
    """ISO 8601, UTC."""
    transcript: Transcript = Transcript()
    format: int = FORMAT


@dataclass(frozen=True, eq=False, kw_only=True)
class SavedState:
    """A state with its manifest."""

    state: MemoryState
    manifest: Manifest


def save_state(
    path: Path,
    state: MemoryState,
    *,
    memory: DeltaMemory,
    backbone: Backbone,
    transcript: Transcript | None = None,
) -> Path:
    """Write ``path`` so that it is there whole or not at all.

    Args:
        path: of the file.
        state: of the attached adapter.
        memory: that adapter.
        backbone: what it is attached to.
        transcript: of the conversation; None for a state without one.

    Raises:
        InvalidInput: a state of another adapter.
        NotFinite: a state that nothing could go on from.
        CannotWrite: the file cannot be written; what was there before is untouched.
    """
    state.check(like=memory.zeros(state.batch_size))
    broken = first_not_finite({str(i): s for i, s in sorted(state.layers.items())})
    if broken is not None:
        raise NotFinite(
            f"the memory state of layer {broken} holds numbers that are not finite, and is not "
            "saved"
        )
    manifest = replace(
        _expected(memory, backbone),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        transcript=transcript or Transcript(),
    )
    tensors = {
        f"{PREFIX}{i}": s.detach().cpu().contiguous() for i, s in sorted(state.layers.items())
    }
    text = json.dumps(asdict(manifest), ensure_ascii=False, sort_keys=True)
    content = save(tensors, metadata={"manifest": text, "sha256": _digest(text, tensors)})
    return write_bytes(path, content)


def read_state(path: Path) -> SavedState:
    """The state and the manifest of a file, whoever wrote it; see :func:`load_state`.

    Raises:
        Unavailable: no such file.
        InvalidInput: not a state file, a damaged or truncated one, or one of another format.
        InvalidData: a manifest that does not hold what it should.
    """
    if not path.is_file():
        raise Unavailable(f"there is no state file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as fault:
        raise InvalidInput(f"{path} is damaged or not a state file: {fault}") from fault
    strange = [name for name in tensors if not LAYER.fullmatch(name)]
    if not metadata.keys() >= {"manifest", "sha256"} or strange or not tensors:
        raise InvalidInput(f"{path} is a safetensors file, but holds no memory state")
    if _digest(metadata["manifest"], tensors) != metadata["sha256"]:
        raise InvalidInput(f"{path} is damaged: its content does not match its checksum")
    manifest = _manifest(path, metadata["manifest"])
    layers = {int(name.removeprefix(PREFIX)): tensor for name, tensor in tensors.items()}
    _check_tensors(path, layers)
    return SavedState(
        state=MemoryState(dict(sorted(layers.items())), manifest.adapter), manifest=manifest
    )


def load_state(path: Path, *, memory: DeltaMemory, backbone: Backbone) -> SavedState:
    """The state of a file, for the adapter and the backbone that are here, on its device.

    Raises:
        Unavailable: no such file.
        InvalidInput, InvalidData: as :func:`read_state`; or the backbone, the adapter, its
            configuration, the tokenizer, the chat template, layers, shapes or dtype differ.
    """
    saved = read_state(path)
    _check(path, saved.manifest, _expected(memory, backbone))
    state = replace(saved.state, adapter=memory.identity)
    try:
        state.check(like=memory.zeros(state.batch_size))
    except InvalidInput as fault:
        raise InvalidInput(f"{path}: {fault}") from fault
    return replace(saved, state=_beside(state, memory))


def _beside(state: MemoryState, memory: DeltaMemory) -> MemoryState:
    """Each layer on the device of its memory."""
    devices = {i: memory.layer(i).beta_bias.device for i in state.layers}
    return replace(state, layers={i: s.to(devices[i]) for i, s in state.layers.items()})


def _expected(memory: DeltaMemory, backbone: Backbone) -> Manifest:
    """The manifest of a state that is written here, without what only its moment decides."""
    return Manifest(
        backbone=backbone.origin,
        adapter=memory.sha,
        config=config_keys(memory.config),
        tokenizer=backbone.tokenizer_sha,
        template=_sha([backbone.tokenizer.chat_template, dict(backbone.template_kwargs)]),
        dtype=memory.config.state_dtype,
        date="",
    )


def _check(path: Path, found: Manifest, here: Manifest) -> None:
    """Refuse what another backbone, adapter, tokenizer or template wrote."""
    one, other = found.backbone, here.backbone
    if one.get("fingerprint") != other["fingerprint"]:
        raise InvalidInput(
            f"{path} was written on {one.get('name')} (weights "
            f"{str(one.get('fingerprint'))[:12]}), and the backbone is {other['name']} (weights "
            f"{str(other['fingerprint'])[:12]})"
        )
    if found.adapter != here.adapter:
        raise InvalidInput(
            f"{path} was written by adapter {found.adapter[:12]}, and adapter "
            f"{here.adapter[:12]} is attached: name the first one with adapter=FOLDER "
            "or writer=NAME"
        )
    names = sorted(found.config.keys() | here.config.keys())
    for name in names:
        theirs, ours = found.config.get(name), here.config.get(name)
        if theirs != ours:
            raise InvalidInput(f"{path}: the adapter's {name} was {theirs!r} and is {ours!r} here")
    for name in ("tokenizer", "template", "dtype"):
        theirs, ours = getattr(found, name), getattr(here, name)
        if theirs != ours:
            raise InvalidInput(
                f"{path} was written with another {name} ({theirs[:12]}) than the one in "
                f"use here ({ours[:12]})"
            )


def _manifest(path: Path, text: str) -> Manifest:
    content = parse_json(text, where=f"the manifest of {path}")
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise InvalidInput(
            f"{path} is a state file of format {found!r:.40}, but this version of "
            f"deltamem reads format {FORMAT}: use the version that wrote it"
        )
    manifest = typed(content, Manifest, where=f"the manifest of {path}")
    lacking = sorted(config_keys(DeltaMemConfig()).keys() - manifest.config.keys())
    if lacking:
        raise InvalidInput(f"the adapter's configuration in {path} lacks {lacking[0]}")
    return manifest


def _check_tensors(path: Path, layers: Mapping[int, Tensor]) -> None:
    """Refuse tensors that are no states: finite numbers (B, N, R, R), B alike in all layers."""
    batch = next(iter(layers.values())).shape[:1]
    for index, s in layers.items():
        square = s.dim() == 4 and s.shape[2] == s.shape[3] and min(s.shape) > 0
        if not square or s.shape[:1] != batch or s.dtype not in DTYPES:
            raise InvalidInput(
                f"{path}: layer {index} is {tuple(s.shape)} {s.dtype}; a state is (batch, "
                f"sub-states, rank, rank) in {', '.join(STATE_DTYPES)}, with one batch for all"
            )
        if not bool(s.isfinite().all()):
            raise InvalidInput(f"{path}: layer {index} holds numbers that are not finite")


def _digest(manifest: str, tensors: Mapping[str, Tensor]) -> str:
    """sha256 over the manifest and every tensor's name, dtype, shape and bytes."""
    digest = hashlib.sha256(manifest.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _sha(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
