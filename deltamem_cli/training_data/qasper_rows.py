"""Rows of QASPER: a paper with its questions, as lists of objects or, on the hub, inside out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator

from evaluations.data.rows.schema import RowModel, Text

__all__ = ["Answer", "Paper", "Question", "Section"]

Item = TypeVar("Item")


def _entries(value: Any) -> Any:
    """A list of objects from an object of lists, else as it is."""
    if not isinstance(value, Mapping):
        return value
    columns = {name: column for name, column in value.items() if isinstance(column, list)}
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError("has lists that differ in length")
    return [dict(zip(columns, entry, strict=True)) for entry in zip(*columns.values(), strict=True)]


Entries = Annotated[list[Item], BeforeValidator(_entries)]


class Section(RowModel):
    """A part of a paper; some have no name."""

    section_name: Text | None = None
    paragraphs: list[Text]


class Answer(RowModel):
    """The answer of one annotator."""

    unanswerable: bool
    extractive_spans: list[Text]
    yes_no: bool | None = None
    free_form_answer: Text


class _Annotation(RowModel):
    answer: Answer


class Question(RowModel):
    """A question with the answers of its annotators."""

    question: Text
    question_id: Text
    answers: Entries[_Annotation]


class Paper(RowModel):
    """A paper with the questions about it."""

    title: Text
    abstract: Text
    full_text: Entries[Section]
    qas: Entries[Question]
