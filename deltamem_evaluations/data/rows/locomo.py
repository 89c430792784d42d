"""Rows of LoCoMo: a conversation in sessions, and the questions about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from pydantic import ConfigDict, TypeAdapter, field_validator, model_validator

from deltamem_base.faults import InvalidData
from deltamem_evaluations.data.rows.files import Row
from deltamem_evaluations.data.rows.schema import (
    RowModel,
    Scalar,
    Text,
    Whole,
    Written,
    check,
    check_part,
)

__all__ = ["Conversation", "Question", "Session", "Turn", "read_conversation"]

CATEGORIES = range(1, 6)
ADVERSARIAL = 5
SESSION = re.compile(r"session_([0-9]{1,6})(_date_time)?")


class Turn(RowModel):
    """One utterance of one of the two speakers."""

    speaker: Written
    text: Text
    dia_id: Text | None = None
    blip_caption: Text | None = None
    """Caption of the picture that was shared with it."""


class Session(RowModel):
    """The utterances of one day."""

    number: int
    date: Text | None
    turns: list[Turn]


class Question(RowModel):
    """A question; the released file has numbers among the answers, and category 5 mostly none."""

    question: Written
    category: Whole
    answer: Scalar | None = None
    adversarial_answer: Scalar | None = None
    evidence: list[Text] | None = None

    @field_validator("category")
    @classmethod
    def _known(cls, category: int) -> int:
        if category not in CATEGORIES:
            raise ValueError(f"is {category}, and the categories are 1 to 5")
        return category

    @model_validator(mode="after")
    def _answered(self) -> Question:
        if self.answer is None and self.category != ADVERSARIAL:
            raise ValueError("lacks an 'answer'")
        if self.answer is None and self.adversarial_answer is None:
            raise ValueError("lacks an 'adversarial_answer'")
        return self


class Conversation(RowModel):
    """A conversation with its sessions, oldest first, and its questions."""

    sample_id: str
    speaker_a: str
    speaker_b: str
    sessions: list[Session]
    qa: list[Question]


class _Spoken(RowModel):
    """The fields of a conversation; its sessions are fields too, named by their numbers."""

    model_config = ConfigDict(extra="allow")

    speaker_a: Written
    speaker_b: Written


class _ConversationRow(RowModel):
    sample_id: Scalar
    conversation: _Spoken
    qa: list[Question]


TURNS = TypeAdapter(list[Turn] | None)
DATE = TypeAdapter(Text | None)


def read_conversation(row: Row) -> Conversation:
    """A row as its conversation.

    Raises:
        InvalidData: a field is missing or does not fit.
    """
    found = check(_ConversationRow, row)
    fields = found.conversation.model_extra or {}
    return Conversation(
        sample_id=found.sample_id,
        speaker_a=found.conversation.speaker_a,
        speaker_b=found.conversation.speaker_b,
        sessions=sorted(_sessions(fields, row.where), key=lambda session: session.number),
        qa=found.qa,
    )


def _sessions(fields: Mapping[str, object], where: str) -> Iterator[Session]:
    """The sessions that were held: the released file has dates of others, a table has nulls."""
    seen: set[int] = set()
    for name, value in fields.items():
        named = SESSION.fullmatch(name)
        if named is None or named[2]:
            continue
        turns = check_part(TURNS, value, where=where, path=("conversation", name))
        date = f"{name}_date_time"
        day = check_part(DATE, fields.get(date), where=where, path=("conversation", date))
        if turns is None:
            continue
        number = int(named[1])
        if number in seen:
            raise InvalidData(f"{where}: 'conversation' has session {number} twice")
        seen.add(number)
        yield Session(number=number, date=day, turns=turns)
