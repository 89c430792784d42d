"""Hydra's grammar of overrides: values and ``KEY=VALUE`` words, written and read in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from deltamem_cli.errors import UsageError

__all__ = ["key_of", "read", "value_of", "word", "write", "write_bare"]

BARE = re.compile(r"[A-Za-z_][\w.@/-]*", re.ASCII)
"""Text that Hydra takes without quotes, if it is no word for a number or the like."""
NO_TEXT = ("null", "true", "false", "inf", "nan")
"""Words that mean a value of another type, whatever their case."""


def write(value: object) -> str:
    """The text that Hydra reads as ``value``, all strings in quotes.

    Args:
        value: None, a boolean, a number, a string, or a list or mapping of these.

    Raises:
        UsageError: a mapping's key that the grammar has no way to write.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(k)}:{write(v)}" for k, v in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ",".join(map(write, value)) + "]"
    return repr(value)


def write_bare(value: object) -> str:
    """The text that Hydra reads as ``value``, with quotes only around strings that need them."""
    return str(value) if isinstance(value, str) and _is_bare(value) else write(value)


def word(key: str, value: object) -> str:
    """The override that sets a key, as a person would type it."""
    return f"{key}={write_bare(value)}"


def read(text: str) -> Any:
    """The value that Hydra reads from what stands behind the ``=`` of an override.

    Raises:
        UsageError: text outside the grammar, or several values of a sweep.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        override = OverridesParser.create().parse_override(f"key={text}")
    except HydraException as fault:
        raise UsageError(f"{text!r} cannot be read as a value of a setting") from fault
    if override.is_sweep_override():
        raise UsageError(f"{text!r} names several values where one is needed")
    return override.value()


def key_of(override: str) -> str:
    """The setting or group that an override is about, without the signs before it."""
    return override.partition("=")[0].lstrip("+~")


def value_of(override: str) -> Any:
    """The value that an override sets; None where it has none."""
    _, sign, text = override.partition("=")
    return read(text) if sign else None


def _is_bare(text: str) -> bool:
    return BARE.fullmatch(text) is not None and text.lower() not in NO_TEXT


def _key(name: object) -> str:
    """A mapping's key, for which the grammar has no quotes."""
    if not isinstance(name, str) or not _is_bare(name):
        raise UsageError(f"{name!r} cannot be the key of a mapping in an override")
    return name


def _quoted(text: str) -> str:
    # a backslash means itself, except before a quote
    inside = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", inside) + "'"
