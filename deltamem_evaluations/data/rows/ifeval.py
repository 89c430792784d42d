"""Rows of IFEval: the official file holds the values that are set, the hub's nulls beside them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, model_validator

from deltamem_base.json_text import kind_of
from deltamem_evaluations.data.rows.schema import RowModel, Scalar, Text, Written

__all__ = ["IfevalRow"]


def _set(values: object) -> object:
    """An object without its nulls; no object at all stands for an empty one."""
    if values is None:
        return {}
    if isinstance(values, dict):
        return {name: value for name, value in values.items() if value is not None}
    return values


def _plain(value: object) -> object:
    """A value that a checker may take: text, a number, or a list of texts."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"is {kind_of(value)}; text, a number or a list of texts is expected")
    return value


Values = Annotated[dict[Text, Annotated[Any, AfterValidator(_plain)]], BeforeValidator(_set)]


class IfevalRow(RowModel):
    """A prompt with its instructions, and the values of each."""

    key: Scalar
    prompt: Written
    instruction_id_list: list[Text]
    kwargs: list[Values]

    @model_validator(mode="after")
    def _aligned(self) -> IfevalRow:
        if not self.instruction_id_list:
            raise ValueError("'instruction_id_list' is empty")
        if len(self.kwargs) != len(self.instruction_id_list):
            raise ValueError(
                f"there are {len(self.instruction_id_list)} instructions and {len(self.kwargs)} "
                "'kwargs'"
            )
        return self
