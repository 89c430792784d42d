"""Rows of GPQA, whose questions no message may show."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from deltamem_evaluations.data.rows.schema import RowModel, Scalar, Text

__all__ = ["COLUMNS", "GpqaRow"]

COLUMNS = ("Correct Answer", "Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def _stripped(text: str) -> str:
    if not text.strip():
        raise ValueError("is empty")
    return text.strip()


Cell = Annotated[Scalar, AfterValidator(_stripped)]
"""A column that must not be blank; numbers are taken as they are written."""

Label = Annotated[Text | None, AfterValidator(lambda text: text or None)]
"""A column that may be blank, as CSV has what is null elsewhere."""


class GpqaRow(RowModel):
    """A question with its options."""

    confidential: ClassVar[bool] = True

    record: Scalar | None = Field(default=None, alias="Record ID")
    question: Cell = Field(alias="Question")
    correct: Cell = Field(alias="Correct Answer")
    incorrect_1: Cell = Field(alias="Incorrect Answer 1")
    incorrect_2: Cell = Field(alias="Incorrect Answer 2")
    incorrect_3: Cell = Field(alias="Incorrect Answer 3")
    domain: Label = Field(default=None, alias="High-level domain")
    subdomain: Label = Field(default=None, alias="Subdomain")

    @property
    def options(self) -> tuple[str, str, str, str]:
        """The correct one first, as :data:`COLUMNS`."""
        return (self.correct, self.incorrect_1, self.incorrect_2, self.incorrect_3)
