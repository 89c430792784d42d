"""The schema of rows: kinds of fields, and one sentence for whatever does not fit.

Kinds are strict: a number is no text, true is no number. Numbers that stand for text (answers, ids)
become the text that they are written as, so that a row is the same in every form of its file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from deltamem_base.faults import InvalidData
from deltamem_base.json_text import kind_of
from deltamem_evaluations.data.rows.files import Row

__all__ = ["Entries", "RowModel", "Scalar", "Text", "Whole", "Written", "check", "check_part"]

Item = TypeVar("Item")
Model = TypeVar("Model", bound="RowModel")
Part = TypeVar("Part")

UNFIT = "unfit"
KINDS = {
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a pair",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}
"""Kinds of values in words, by the type of pydantic's fault."""
SHOWN = 40
"""Characters of a value in a message."""


class RowModel(BaseModel):
    """A row, or a part of one, with the fields that something is made of; others are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, populate_by_name=True)

    confidential: ClassVar[bool] = False
    """No message may show what a field holds."""


def _unfit(wanted: str) -> PydanticCustomError:
    return PydanticCustomError(UNFIT, "{wanted}", {"wanted": wanted})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _unfit("text")
    return value


def _written(value: object) -> str:
    if not _text(value).strip():
        raise ValueError("is blank")
    return str(value)


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _unfit("a whole number")
    return value


def _scalar(value: object) -> str:
    finite = isinstance(value, int | float) and math.isfinite(value)
    if isinstance(value, bool) or not (finite or isinstance(value, str)):
        raise _unfit("text or a number")
    return str(value)


Text = Annotated[str, PlainValidator(_text)]
Written = Annotated[str, PlainValidator(_written)]
"""Text that is more than white space."""
Whole = Annotated[int, PlainValidator(_whole)]
Scalar = Annotated[str, PlainValidator(_scalar)]
"""Text or a number, as text."""


def _entries(value: object) -> object:
    """A list of objects from an object of lists, else as it is."""
    if not isinstance(value, Mapping):
        return value
    columns = {name: column for name, column in value.items() if isinstance(column, list)}
    if value and not columns:
        raise ValueError("has no list among its columns")
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError("has lists that differ in length")
    return [dict(zip(columns, entry, strict=True)) for entry in zip(*columns.values(), strict=True)]


Entries = Annotated[list[Item], BeforeValidator(_entries)]
"""A list of objects, which a table's cell holds inside out: an object of lists."""


def check(model: type[Model], row: Row) -> Model:
    """A row as its model.

    Raises:
        InvalidData: a field is missing or does not fit; names the file, the row, the field, what
            it holds and what is expected.
    """
    return _checked(model.model_validate, row.values, row.where, (), model.confidential)


def check_part(
    adapter: TypeAdapter[Part], value: object, *, where: str, path: Sequence[str | int]
) -> Part:
    """A part of a row whose field's name the model cannot know.

    Args:
        adapter: of the part's type.
        value: of the field.
        where: the row, for the message.
        path: of the field in its row.

    Raises:
        InvalidData: as :func:`check`.
    """
    return _checked(adapter.validate_python, value, where, path, False)


def _checked(
    validate: Callable[[object], Part],
    value: object,
    where: str,
    prefix: Sequence[str | int],
    confidential: bool,
) -> Part:
    try:
        return validate(value)
    except ValidationError as fault:
        first, *others = fault.errors(include_url=False)
        name = _name([*prefix, *first["loc"]])
        more = f" (and {len(others)} more faults)" if others else ""
        sentence = f"{name}{_said(first, confidential)}{more}"
    # outside of the handler: the fault holds the value, which may be confidential
    raise InvalidData(f"{where}: {sentence}")


def _name(path: Sequence[str | int]) -> str:
    """A field as code would say it, ``'qa[3].answer' ``."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return f"'{''.join(parts).removeprefix('.')}' " if parts else ""


def _said(fault: ErrorDetails, confidential: bool) -> str:
    kind, value = fault["type"], fault["input"]
    if kind == "missing":
        return "is missing"
    if kind == "value_error":
        return str(fault["ctx"]["error"])
    wanted = fault["msg"] if kind == UNFIT else KINDS.get(kind)
    if wanted is None:
        return f"does not fit: {fault['msg']}"
    shown = isinstance(value, str | int | float) and not (confidential or isinstance(value, bool))
    found = f"{kind_of(value)} ({_excerpt(value)})" if shown else kind_of(value)
    return f"is {found}; {wanted} is expected"


def _excerpt(value: str | int | float) -> str:
    try:
        text = str(value)
    except ValueError:  # a whole number of more digits than Python writes
        return "a very long one"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
