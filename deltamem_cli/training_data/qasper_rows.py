"""Rows of QASPER: a paper with its questions, as lists of objects or, on the hub, inside out."""

from __future__ import annotations

from deltamem_evaluations.data.rows.schema import Entries, RowModel, Text

__all__ = ["Answer", "Paper", "Question", "Section"]


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
