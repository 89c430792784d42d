"""From a record back to the words of ``deltamem eval``: names of options, then plain values.

A record may come from anybody, so that it decides little: which options are chosen, ours or those
of plug-ins that are in place, and values of settings that these options declare. It names no class,
no file outside the working folder and refers to nothing; a record that tries is refused before
anything is composed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from deltamem_base.faults import InvalidData, Unavailable
from deltamem_base.plain_values import check_plain
from deltamem_base.plugins import VARIABLE
from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.composed import Composed, leaves
from deltamem_cli.settings.grammar import key_of, word
from deltamem_cli.settings.groups import options
from deltamem_cli.settings.identity import recorded
from deltamem_cli.settings.job import run_config
from deltamem_cli.settings.paths import leads_outside, names_a_path
from deltamem_cli.settings.recorded_settings import RecordedSettings

if TYPE_CHECKING:
    from deltamem_evaluations.records.record import Record

__all__ = ["GROUPS", "choices_of", "eval_words", "rebuild"]

CHOSEN: Mapping[str, Callable[[Record], str | None]] = {
    "model": lambda record: record.model,
    "method": lambda record: record.method,
    "writer": lambda record: record.writer,
    "bench": lambda record: record.bench,
    "context": lambda record: record.context,
    "control": lambda record: record.control,
}
"""Config group -> the option that a record names."""
GROUPS = tuple(CHOSEN)
MADE_OF_PARTS = ("writer", "context", "control")
"""Groups whose name in a record may be put together from settings, which are stored beside it."""
PUT_TOGETHER = re.compile(r"[a-z_]+([+-][a-z0-9_]+)*")
MACHINE = ("runtime.device", "runtime.batch_size", "model.device", "bench.judge_path")
"""Settings of the machine that a run was made on, and of whoever judges it later."""
OPEN = ("model.template_kwargs", "model.adapters")
"""Mappings to which a user may add keys of any name."""
ROOTLESS = (
    "a record names no folders of the machine it was made on, so say where it is: "
    "adapter=…, bench.path=… or model.id=…"
)


def rebuild(
    record: Record,
    overrides: Sequence[str],
    task: Callable[[Composed], Any],
    *,
    groups: Sequence[str] = GROUPS,
    parts: Sequence[str] | None = None,
    but: Sequence[str] = (),
    checked: Sequence[str] | None = None,
) -> Any:
    """Call ``task`` with the settings of a record, and ``overrides`` on top.

    Args:
        record: of the run.
        overrides: words of the command line; what they set is not taken from the record.
        task: takes the composed config.
        groups: those whose options are the record's.
        parts: top-level settings that are the record's; None takes all.
        but: settings among them that are not.
        checked: top-level settings that the task depends on; None is all.

    Returns:
        What the task returned.

    Raises:
        InvalidData: a record that holds anything but options and plain values of their settings.
        UsageError: overrides that do not compose.
    """
    given = {key_of(said) for said in overrides}
    # a named adapter says itself how it writes, whatever the run was called
    named = "adapter" in given or RecordedSettings.of(record).adapter is not None
    given |= {"writer", *but} if named else {*but}
    chosen = choices_of(record, [group for group in groups if group not in given])
    words = eval_words(record, chosen, parts=parts, given=given)
    try:
        return run_config("eval", task, [*words, *overrides], checked=checked)
    except Unavailable as fault:
        raise Unavailable(f"{fault}; {ROOTLESS}") from fault


def eval_words(
    record: Record,
    chosen: Mapping[str, str],
    *,
    parts: Sequence[str] | None = None,
    given: Iterable[str] = (),
) -> list[str]:
    """Words of ``deltamem eval`` with some options and what a record sets otherwise than they do.

    Args:
        record: of the run.
        chosen: option by group, by names of ours or of the record.
        parts: top-level settings that are the record's; None takes all.
        given: settings and groups that are left out, with all that lies below them.

    Raises:
        InvalidData: a record that holds anything but options and plain values of their settings.
    """
    check_plain(record.config, where=record.cell)
    words = [word(group, _option(record, group, name)) for group, name in chosen.items()]
    stored = {k: value for k, value in record.config.items() if parts is None or k in parts}
    left_out = (*MACHINE, *given)
    settings = {key: value for key, value in leaves(stored) if not _is_below(key, left_out)}
    # what follows from another setting (${...}) comes last: most has followed by then
    for derived in (False, True):
        words += _differences(record, settings, words, derived=derived)
    return words


def choices_of(record: Record, groups: Sequence[str]) -> dict[str, str]:
    """The options that a record names, by group; what was put together from parts is none.

    Raises:
        InvalidData: a name that is neither.
    """
    chosen = {}
    for group in groups:
        name = CHOSEN[group](record)
        if name is not None and not _is_put_together(group, name):
            chosen[group] = _option(record, group, name)
    return chosen


def _is_put_together(group: str, name: str) -> bool:
    is_made = group in MADE_OF_PARTS and name not in options(group)
    return is_made and PUT_TOGETHER.fullmatch(name) is not None


def _option(record: Record, group: str, name: object) -> str:
    known = options(group)
    if name not in known:
        raise InvalidData(
            f"the record of {record.cell} names {group}={name!r}, which is not one of "
            f"{', '.join(known)}; if a plug-in brings it, install that, or name its folder in "
            f"{VARIABLE}"
        )
    return str(name)


def _differences(
    record: Record, settings: Mapping[str, object], words: Sequence[str], *, derived: bool
) -> list[str]:
    """Words for the settings that are stored otherwise than the words so far give them."""
    have, following = _composed(tuple(words))
    return [
        word(_declared(record, key, have), _within_reach(record, key, value))
        for key, value in settings.items()
        if not (key in have and have[key] == value) and (derived or key not in following)
    ]


@lru_cache(maxsize=64)
def _composed(words: tuple[str, ...]) -> tuple[dict[str, object], frozenset[str]]:
    """The settings that words give, and the names of those that follow from others."""
    (composed,) = compose_each("eval", [words])
    return dict(leaves(recorded(composed.tree))), composed.following


def _declared(record: Record, key: str, have: Mapping[str, object]) -> str:
    """The key as a word says it: with a plus where an open mapping gets one more.

    Raises:
        InvalidData: no option of ours has such a setting.
    """
    if key in have:
        return key
    if any(key.startswith(f"{mapping}.") for mapping in OPEN):
        return f"++{key}"
    raise InvalidData(
        f"the record of {record.cell} sets {key}, which is not a setting in this version"
    )


def _within_reach(record: Record, key: str, value: object) -> object:
    """The value of a setting, which names no file outside the working folder."""
    if names_a_path(key) and isinstance(value, str) and leads_outside(value):
        raise InvalidData(
            f"the record of {record.cell} sets {key}={value!r}, but a record may not "
            f"name a file outside the working folder: give {key}=FILE yourself"
        )
    return value


def _is_below(key: str, tops: Sequence[str]) -> bool:
    return any(key == top or key.startswith(f"{top}.") for top in tops)
