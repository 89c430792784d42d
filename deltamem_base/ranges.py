"""The range of a setting, written at the field itself: ``Annotated[int, Ge(1)]``.

One reader checks them all, for the command line and for whoever makes a configuration in Python:
numbers are finite, a boolean is no number, and what is wrong is said with the whole range.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import annotated_types as at

from deltamem_base.faults import InvalidInput

__all__ = ["check_fields", "fault_of", "field_types", "range_of"]

WORDS: dict[type, str] = {at.Ge: "at least", at.Gt: "above", at.Le: "at most", at.Lt: "below"}
OUTSIDE = ("greater_than", "less_than", "too_short", "string_too_short", "literal_error")
"""How the names begin of faults that the range explains; others are of the wrong type."""


def field_types(made_by: Callable[..., object]) -> dict[str, object]:
    """Types of what a class or function takes, with their ranges."""
    if is_dataclass(made_by):  # inherited fields are read where they were written
        kinds = get_type_hints(made_by, include_extras=True)
        return {field.name: kinds[field.name] for field in fields(made_by) if field.init}
    function = made_by.__init__ if isinstance(made_by, type) else made_by  # type: ignore[misc]
    return get_type_hints(function, include_extras=True)


def check_fields(made: object, name: str) -> None:
    """Check all fields of a dataclass.

    Raises:
        InvalidInput: the field behind ``name``, its value and its range.
    """
    for field, kind in field_types(type(made)).items():
        fault = fault_of(kind, getattr(made, field))
        if fault is not None:
            raise InvalidInput(f"{name}.{field} is {getattr(made, field)!r}{fault}")


def fault_of(kind: Any, value: object) -> str | None:
    """The fault of a value, to follow "KEY is VALUE"; None where there is none.

    Args:
        kind: an annotated type; one that names a class of ours is not looked into.
        value: plain: numbers, texts, and lists and mappings of them.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    if "deltamem" in repr(kind):
        return None
    # numbers stay strict, and as JSON a list may stand for a tuple
    options = ConfigDict(arbitrary_types_allowed=True, strict=True, allow_inf_nan=False)
    try:
        TypeAdapter(kind, config=options).validate_json(json.dumps(value, default=_plain))
        # to pydantic as to Python, true is 1
        found = [{"type": "literal_error", "msg": ""}] if _is_no_choice(kind, value) else []
    except ValidationError as fault:
        found = [{"type": one["type"], "msg": one["msg"]} for one in fault.errors()]
    if found:
        said = range_of(kind)
        if said and any(one["type"] == "finite_number" for one in found):
            return f"; it must be finite, and {said}"
        if said and any(one["type"].startswith(OUTSIDE) for one in found):
            return f"; it must be {said}"
        problem = found[0]["msg"]
        return f": {problem[0].lower()}{problem[1:]}"
    return None


def range_of(kind: object) -> str:
    """Values that a type allows, in words; empty where it has no range."""
    if get_origin(kind) in (Union, UnionType):
        return ", or ".join(filter(None, map(range_of, get_args(kind))))
    if kind is NoneType:
        return "null"
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is not Annotated:
        inner = next(filter(None, map(range_of, get_args(kind))), "")
        return f"values, each {inner}" if inner else ""
    base, *limits = get_args(kind)
    ends = [end for limit in limits for end in _ends(limit)]
    own = " and ".join(f"{WORDS[type(end)]} {_number(end)}" for end in ends)
    least = [limit.min_length for limit in limits if isinstance(limit, at.MinLen | at.Len)]
    if least and base is str:
        return "text that is not empty"
    inner = range_of(base)
    held = f"{least[0]} or more {inner or 'values'}" if least else ""
    return held or own


def _is_no_choice(kind: object, value: object) -> bool:
    """Whether a truth value was taken for the number among choices that equals it."""
    choices = [
        one
        for part in (kind, *get_args(kind))
        if get_origin(part) is Literal
        for one in get_args(part)
    ]
    return isinstance(value, bool) and bool(choices) and not any(value is one for one in choices)


def _ends(limit: object) -> Iterator[object]:
    if isinstance(limit, at.Interval):
        yield from limit
    elif type(limit) in WORDS:
        yield limit


def _number(end: object) -> str:
    return f"{getattr(end, type(end).__name__.lower()):g}"


def _plain(value: object) -> object:
    """A number of NumPy as Python's; anything else is no setting."""
    return value.item() if hasattr(value, "item") else repr(value)
