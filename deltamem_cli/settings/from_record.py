"""From a record back to the settings of its run: what it stores, as words of ``deltamem eval``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deltamem_base.faults import Fault
from deltamem_cli.errors import MISSING
from deltamem_cli.settings.compose import compose_each, options, run_config
from deltamem_cli.settings.grammar import literal
from deltamem_cli.settings.identity import leaves, plain

if TYPE_CHECKING:
    from evaluations.records.record import Record

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

    # a control that was put together from its parts is no option, and its parts are settings
    words = [f"{g}={getattr(record, g)}" for g in GROUPS if getattr(record, g) in options(g)]
    words = [word for word in words if wanted(word)]
    for derived in (False, True):
        words += filter(wanted, _differences(record.config, words, with_derived=derived))
    try:
        return run_config("eval", task, [*words, *overrides])
    except Fault as fault:
        if fault.exit_code != MISSING:
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

    (config,) = compose_each("eval", [words])
    have = dict(leaves(plain(config)))
    written = dict(leaves(OmegaConf.to_container(config, resolve=False)))
    found = []
    for key, value in leaves(stored):
        derived = "${" in str(written.get(key))
        if (key in have and have[key] == value) or key in MACHINE or derived > with_derived:
            continue
        found.append(f"{'' if key in have else '+'}{key}={literal(value)}")
    return found
