"""From a record back to the settings of its run: what it stores, as words of ``deltamem eval``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deltamem_cli.compose import run_config
from deltamem_cli.errors import MISSING
from deltamem_cli.identity import plain

if TYPE_CHECKING:
    from evaluations.record import Record

__all__ = ["rebuild"]

GROUPS = ("model", "method", "writer", "bench", "context", "control")
"""Fields of a record that are options of a config group."""
MACHINE = ("runtime.device", "runtime.batch_size", "model.device")
"""Where it ran, not what it computed."""
ROOTLESS = (
    "a record names no folders of the machine it was made on, so say where it is: "
    "adapter=…, bench.path=… or model.id=…"
)


def rebuild(record: Record, overrides: Sequence[str], task: Callable[[Any], Any]) -> Any:
    """Call ``task`` with the settings of a record, and ``overrides`` on top.

    Raises:
        UsageError: settings that this version does not know, or overrides that do not compose.
    """
    given = {_key(word) for word in overrides}
    # a named adapter says itself how it writes, whatever the run was called
    named = "adapter" in given or record.config.get("adapter") is not None

    def wanted(word: str) -> bool:
        return _key(word) not in given and not (named and word.startswith("writer"))

    words = [f"{g}={getattr(record, g)}" for g in GROUPS if getattr(record, g) is not None]
    words = [word for word in words if wanted(word)]
    for derived in (False, True):
        words += filter(wanted, _differences(record.config, words, with_derived=derived))
    try:
        return run_config("eval", task, [*words, *overrides])
    except Exception as fault:
        if getattr(fault, "exit_code", None) != MISSING:
            raise
        raise type(fault)(f"{fault}; {ROOTLESS}") from fault


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _differences(
    stored: Mapping[str, Any], words: Sequence[str], *, with_derived: bool
) -> list[str]:
    """Words for what is stored otherwise than the words so far give it.

    Settings that follow from another (``${...}``) come last: most have followed by then.
    """
    from omegaconf import OmegaConf

    seen: list[tuple[Any, Any]] = []

    def look(config: Any) -> None:
        seen.append((plain(config), OmegaConf.to_container(config, resolve=False)))

    run_config("eval", look, words)
    have, written = (dict(_leaves(tree)) for tree in seen[0])
    found = []
    for key, value in _leaves(stored):
        derived = "${" in str(written.get(key))
        if (key in have and have[key] == value) or key in MACHINE or derived > with_derived:
            continue
        found.append(f"{'' if key in have else '+'}{key}={_literal(value)}")
    return found


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _literal(value: Any) -> str:
    """A value in Hydra's grammar of overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # backslashes count only before a quote, be it within or at the end
        return "'" + re.sub(r"(\\*)('|\Z)", _escaped, value) + "'"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{k}:{_literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_literal, value)) + "]"
    return repr(value)


def _escaped(found: re.Match[str]) -> str:
    quote = "\\'" if found[2] else ""
    return found[1] * 2 + quote
