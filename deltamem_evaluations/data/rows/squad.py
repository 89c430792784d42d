"""Rows of SQuAD and of what has its format: articles of paragraphs, or the hub's single questions.

    {"version": "1.1", "data": [{"title": "Normans", "paragraphs": [{"context": "The Normans ...",
      "qas": [{"id": "56dd", "question": "Where ...?", "answers": [{"text": "France", ...}]}]}]}]}

A row is such a document, one of its articles, or a question with its paragraph. A question without
answers is one that its paragraph does not answer (SQuAD 2.0), whatever else is said of it: so the
official script decides.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deltamem_evaluations.data.rows.files import Row
from deltamem_evaluations.data.rows.schema import Entries, RowModel, Scalar, Text, Written, check

__all__ = ["Paragraph", "SquadQuestion", "read_paragraphs"]

UNTITLED = "untitled"
"""Name of all articles that have no title, in the ids of their paragraphs."""


class _Answer(RowModel):
    text: Scalar


class SquadQuestion(RowModel):
    """A question with the answers of its annotators."""

    id: Scalar
    question: Written
    answers: Entries[_Answer]

    @property
    def references(self) -> tuple[str, ...]:
        """The annotators' answers, each once; none where the paragraph does not answer it."""
        return tuple(dict.fromkeys(answer.text for answer in self.answers))


class _Passage(RowModel):
    context: Written
    qas: list[SquadQuestion]


class _Article(RowModel):
    title: Text | None = None
    paragraphs: list[_Passage]


class _Document(RowModel):
    data: list[_Article]


class _HubRow(SquadQuestion):
    title: Text | None = None
    context: Written


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """A paragraph with all its questions."""

    id: str
    """Title of its article and its number there."""
    where: str
    """File and row of its first question, for messages."""
    title: str | None
    """Title of its article, where that has one."""
    context: str
    questions: tuple[SquadQuestion, ...]


def read_paragraphs(rows: Sequence[Row]) -> list[Paragraph]:
    """All paragraphs in their order, each once with all its questions, in whatever form they come.

    Raises:
        InvalidData: a field is missing or does not fit; names the file, the row and the field.
    """
    places: dict[tuple[str | None, str], str] = {}
    asked: defaultdict[tuple[str | None, str], list[SquadQuestion]] = defaultdict(list)
    for row in rows:
        for title, context, questions in _parts(row):
            places.setdefault((title, context), row.where)
            asked[title, context] += questions
    counts: Counter[str | None] = Counter()
    found = []
    for (title, context), where in places.items():
        counts[title] += 1
        found.append(
            Paragraph(
                id=f"{title or UNTITLED}/{counts[title]}",
                where=where,
                title=title,
                context=context,
                questions=tuple(asked[title, context]),
            )
        )
    return found


def _parts(row: Row) -> Iterator[tuple[str | None, str, Sequence[SquadQuestion]]]:
    """Title, paragraph and questions, as they stand in a row."""
    if "data" in row.values:
        articles = check(_Document, row).data
    elif "paragraphs" in row.values:
        articles = [check(_Article, row)]
    else:
        one = check(_HubRow, row)
        question = SquadQuestion(id=one.id, question=one.question, answers=one.answers)
        yield one.title or None, one.context, [question]
        return
    for article in articles:
        for passage in article.paragraphs:
            yield article.title or None, passage.context, passage.qas
