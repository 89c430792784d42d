"""JSON to values of our own types: one strict reader for every kind of file that others may give.

A kind of file is a frozen dataclass whose annotations say what its keys hold, ranges included
(``Annotated[int, Ge(1)]``). Numbers are finite, a boolean is no number, text stands for nothing
else, and a key that the dataclass does not have is refused.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from deltamem_base.faults import InvalidData
from deltamem_base.json_text import kind_of, parse_json, read_text

if TYPE_CHECKING:
    from pydantic import TypeAdapter
    from pydantic_core import ErrorDetails

__all__ = ["read_typed", "typed", "typed_text"]

Kind = TypeVar("Kind")

SHOWN = 60
"""Characters of a value in a message."""
ENDS = {
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt:g}",
    "literal_error": "{expected}",
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "an object",
    "dataclass_type": "an object",
}
"""pydantic's names of faults -> what must stand there."""


def read_typed(path: Path, kind: type[Kind]) -> Kind:
    """The content of a JSON file as a ``kind``.

    Raises:
        InvalidData: not JSON, or a key that is missing, unknown or of another type.
    """
    return typed_text(read_text(path), kind, where=str(path))


def typed_text(text: str, kind: type[Kind], *, where: str) -> Kind:
    """A JSON text as a ``kind``.

    Args:
        text: of the whole document.
        kind: a dataclass, or any other type with annotations that pydantic knows.
        where: name of the file, for the message.

    Raises:
        InvalidData: as :func:`read_typed`; names the key, its value and what must stand there.
    """
    return typed(parse_json(text, where=where), kind, where=where)


def typed(content: object, kind: type[Kind], *, where: str) -> Kind:
    """The content of a JSON text, already parsed, as a ``kind``; see :func:`typed_text`."""
    from pydantic import ValidationError

    try:
        # as JSON, for there a list may stand for a tuple however strict the types are
        made = _adapter(cast("Hashable", kind)).validate_json(json.dumps([content]))
    except RecursionError as fault:
        raise InvalidData(f"{where}: the JSON is nested too deeply") from fault
    except ValidationError as fault:
        first, *others = fault.errors(include_url=False)
        more = f" (and {len(others)} more)" if others else ""
        raise InvalidData(f"{where}: {_said(first)}{more}") from fault
    return cast("Kind", made[0])


@cache
def _adapter(kind: Hashable) -> TypeAdapter[list[Any]]:
    from pydantic import ConfigDict, TypeAdapter

    # a dataclass takes its strictness from what it lies in, and may then stay a plain one
    strict = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    return TypeAdapter(list[kind], config=strict)  # type: ignore[valid-type]


def _said(fault: ErrorDetails) -> str:
    key, kind, value = _name(fault["loc"][1:]), fault["type"], fault["input"]
    if kind == "json_invalid":
        return "the JSON is nested too deeply"
    if kind == "value_error":
        return str(fault["ctx"]["error"])
    if kind == "missing":
        return f"the key {key} is missing"
    if kind == "unexpected_keyword_argument":
        return f"the key {key} is unknown"
    must = ENDS.get(kind, fault["msg"].removeprefix("Input should be "))
    must = must.format(**fault.get("ctx", {}))
    return f"{key} is {_shown(value)}; it must be {must}".removeprefix(" ")


def _name(path: Sequence[str | int]) -> str:
    """A key as code would say it, ``turns[3].tokens``; what is around all keys is the content."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".") or "the content"


def _shown(value: object) -> str:
    plain = value is None or isinstance(value, str | int | float)
    text = json.dumps(value, ensure_ascii=True) if plain else kind_of(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
