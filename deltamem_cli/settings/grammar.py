"""Values in Hydra's grammar of overrides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["bare", "literal", "quoted"]


def literal(value: Any) -> str:
    """A plain value, as what stands behind the ``=`` of an override."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{k}:{literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(literal, value)) + "]"
    return repr(value)


def bare(value: Any) -> str:
    """A plain value, without quotes where Hydra reads a text as it is."""
    is_plain = isinstance(value, str) and re.fullmatch(r"[A-Za-z_][\w.@-]*", value, re.ASCII)
    return str(value) if is_plain else literal(value)


def quoted(text: str) -> str:
    """As a string, whatever it holds; backslashes count only before a quote."""
    inside = re.sub(r"(\\*)'", r"\1\1\\'", text)
    return "'" + re.sub(r"(\\+)$", r"\1\1", inside) + "'"
