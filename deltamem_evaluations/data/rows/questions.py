"""Rows of a user's own questions: one question each, histories told once and shared by id.

{"id": "q1", "history_id": "a", "history": [{"role": "user", "content": "I live in Oslo."}],
 "question": "Where do I live?", "reference": "Oslo", "groups": ["places"]}
{"history_id": "a", "question": "In which country?", "references": ["Norway", "norge"]}
"""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import MaxLen, MinLen
from pydantic import model_validator

from deltamem_evaluations.data.rows.schema import RowModel, Scalar, Written

__all__ = ["MessageRow", "QuestionRow"]

MOST_OPTIONS = 4
"""Options that a question can have: as many as the letters that answers are searched for."""


class MessageRow(RowModel):
    """One message of a history."""

    role: Literal["system", "user", "assistant"]
    content: Written


class QuestionRow(RowModel):
    """A question with its references, and the history that it is about, told or named."""

    id: Scalar | None = None
    history_id: Scalar | None = None
    history: list[MessageRow] | None = None
    question: Written
    reference: Scalar | None = None
    references: list[Scalar] | None = None
    options: Annotated[list[Written], MinLen(2), MaxLen(MOST_OPTIONS)] | None = None
    groups: list[Written] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> QuestionRow:
        if (self.reference is None) == (not self.references):
            raise ValueError("needs 'reference' or a list of 'references', and not both")
        if any(message.role == "system" for message in (self.history or [])[1:]):
            raise ValueError("has a system message in 'history' that is not the first one")
        if self.options is not None:
            self._check_options(self.options)
        return self

    def _check_options(self, options: list[str]) -> None:
        if len(set(options)) < len(options):
            raise ValueError("has one of its 'options' twice")
        foreign = [answer for answer in self.answers if answer not in options]
        if foreign:
            raise ValueError(f"has a reference that is none of its 'options': {foreign[0]}")

    @property
    def answers(self) -> tuple[str, ...]:
        """All references."""
        return tuple(self.references or ()) if self.reference is None else (self.reference,)
