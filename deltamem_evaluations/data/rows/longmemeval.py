"""Rows of LongMemEval: a question with the chats before it, in which its answer was said.

    {"question_id": "e4a1", "question_type": "multi-session", "question": "How many plants ...?",
     "answer": 3, "question_date": "2023/05/30 (Tue) 23:40", "answer_session_ids": ["answer_1"],
     "haystack_session_ids": ["answer_1"], "haystack_dates": ["2023/05/20 (Sat) 02:21"],
     "haystack_sessions": [[{"role": "user", "content": "I ...", "has_answer": true}, ...]]}

The three lists of a haystack belong together by position. A session id may stand twice, and a turn
may be empty: the release has both.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from pydantic import field_validator, model_validator

from deltamem_evaluations.data.rows.files import Row
from deltamem_evaluations.data.rows.schema import RowModel, Scalar, Text, Written, check

__all__ = ["TYPES", "ChatTurn", "LongMemEvalRow", "read_question"]

TYPES = (
    "single-session-user",
    "single-session-assistant",
    "single-session-preference",
    "multi-session",
    "temporal-reasoning",
    "knowledge-update",
)
"""Kinds of questions by the release's names."""
ABSTENTION = "_abs"
"""Ends the id of a question that the chats do not answer."""


class ChatTurn(RowModel):
    """One turn of a chat."""

    role: Literal["user", "assistant"]
    content: Text
    has_answer: bool | None = None
    """Whether it holds evidence; said of some turns only."""


class LongMemEvalRow(RowModel):
    """A question with its chats, as the release has them."""

    question_id: Scalar
    question_type: Written
    question: Written
    answer: Scalar
    question_date: Written
    haystack_session_ids: list[Text]
    haystack_dates: list[Written]
    haystack_sessions: list[list[ChatTurn]]
    answer_session_ids: list[Text]

    @field_validator("question_type")
    @classmethod
    def _known(cls, kind: str) -> str:
        if kind not in TYPES:
            raise ValueError(f"is '{kind:.40}'; it must be one of {', '.join(TYPES)}")
        return kind

    @model_validator(mode="after")
    def _together(self) -> LongMemEvalRow:
        ids, dates = len(self.haystack_session_ids), len(self.haystack_dates)
        sessions = len(self.haystack_sessions)
        if not ids == dates == sessions:
            raise ValueError(
                f"has {ids} 'haystack_session_ids', {dates} 'haystack_dates' and {sessions} "
                "'haystack_sessions'; there must be as many of each"
            )
        return self

    @property
    def is_abstention(self) -> bool:
        """Whether the right answer says that the chats do not tell."""
        return self.question_id.endswith(ABSTENTION)

    @property
    def chats(self) -> list[tuple[str, list[ChatTurn]]]:
        """The chats with their dates, oldest first.

        Dates are compared as they are written, as the benchmark's own script does: they begin with
        the year and end with the minute.
        """
        dated = zip(self.haystack_dates, self.haystack_sessions, strict=True)
        return sorted(dated, key=lambda chat: chat[0])


def read_question(row: Row) -> LongMemEvalRow:
    """A row as its question.

    Raises:
        InvalidData: a field is missing or does not fit; names the row, the question and the field.
    """
    name = row.values.get("question_id")
    if isinstance(name, str) and name:
        row = replace(row, where=f"{row.where}, question {name:.60}")
    return check(LongMemEvalRow, row)
