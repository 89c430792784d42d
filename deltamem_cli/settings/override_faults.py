"""An override that does not parse or compose, in one sentence: the choices, the nearest name."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from deltamem_base.faults import first_line
from deltamem_cli.settings.grammar import key_of, write

__all__ = ["explain", "no_such_option", "refers_to_nothing", "without_option"]


def explain(
    fault: BaseException,
    words: Sequence[str],
    *,
    choices: Mapping[str, Sequence[str]],
    known: Callable[[], Sequence[str]],
) -> str:
    """Hydra's exceptions in one sentence, with the choices or the nearest name.

    Args:
        fault: what Hydra raised.
        words: that were given.
        choices: the options of every group.
        known: names every setting that the words may change.
    """
    from hydra.errors import MissingConfigException, OverrideParseException
    from omegaconf.errors import ConfigAttributeError, ConfigKeyError

    if isinstance(fault, OverrideParseException):
        return _unreadable(fault.override, first_line(fault.message), choices)
    if isinstance(fault, MissingConfigException):
        group, _, bad = (fault.missing_cfg_file or "").rpartition("/")
        return no_such_option(group, bad, choices.get(group) or fault.options or ())
    if "Ambiguous value" in str(fault):
        word = next((w for w in words if "," in w), "a setting")
        return (
            f"{word} names several values: sweep over them with --multirun (eval and train), or "
            f"quote one with a comma in it: {_quoted(word)}"
        )
    cause = fault.__cause__ or fault
    if isinstance(cause, ConfigAttributeError | ConfigKeyError):
        bad = str(cause.full_key or cause.key)
        return f"there is no setting '{bad}'{_nearest(bad, known())}"
    return first_line(fault)


def _nearest(bad: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(bad, known, n=2, cutoff=0.6)
    return f" (did you mean {' or '.join(repr(n) for n in near)}?)" if near else ""


def no_such_option(group: str, name: str, options: Sequence[str]) -> str:
    """The sentence for a group that is set to what it does not have."""
    return f"no {group} '{name}'{_nearest(name, options)}; choose one of {', '.join(options)}"


def without_option(word: str, options: Sequence[str]) -> str:
    """The sentence for a group that is set to null."""
    group = word.partition("=")[0]
    return f"{word} leaves {group} without a choice; choose one of {', '.join(options)}"


def refers_to_nothing(
    fault: Any,
    words: Sequence[str],
    *,
    chosen: Mapping[str, str],
    choices: Callable[[str], Sequence[str]],
) -> str:
    """The sentence for a setting whose ``${...}`` cannot be followed.

    Args:
        fault: what OmegaConf raised.
        words: that were given.
        chosen: the option of every group.
        choices: gives the options of a group.
    """
    key = str(fault.full_key or "a setting")
    group = key.partition(".")[0]
    others = [name for name in choices(group) if name != chosen.get(group)]
    if others and not any(key_of(word) == key for word in words):  # the option itself refers
        return (
            f"{group}={chosen[group]} takes its value from a setting that this command does not "
            f"have; choose one of {', '.join(others)}"
        )
    reason = first_line(fault.msg or fault).rpartition("interpolation: ")[2]
    return f"{key} refers to nothing: {reason}"


def _unreadable(word: str, reason: str, choices: Mapping[str, Sequence[str]]) -> str:
    held = next((group for group, options in choices.items() if word in options), None)
    hint = f" (did you mean '{held}={word}'?)" if held else ": settings look like key=value"
    if "=" in word:
        hint = f": {reason}; a text with such characters is quoted: {_quoted(word)}"
    return f"cannot read the override '{word}'{hint}"


def _quoted(word: str) -> str:
    """A word with its value in Hydra's quotes, all in the shell's."""
    key, _, value = word.partition("=")
    text = f"{key}={write(value)}"
    return shlex.quote(text) if set('"$`\\!') & set(text) else f'"{text}"'
