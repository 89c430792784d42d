"""Questions about papers (QASPER, CC BY 4.0): the paper is written, the question visible.

One paper of the official JSON (the hub's rows hold the same with lists inside out):

    {"1911.00001": {"title": "...", "abstract": "...",
      "full_text": [{"section_name": "Introduction", "paragraphs": ["...", "..."]}],
      "qas": [{"question": "...", "question_id": "0ab1", "answers": [{"answer": {
        "unanswerable": false, "extractive_spans": [], "yes_no": null,
        "free_form_answer": "..."}}]}]}}

Every paragraph is a message, the title with the abstract the first one; a section's heading goes in
front of its first paragraph. A segment writer then writes the mean of a paragraph, which is about
one thing and as long as what the benchmarks write (a passage, a turn); a mean over a section of a
thousand tokens is about nothing. All paragraphs share one user turn, as passages do at evaluation.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge

from deltamem.errors import InvalidInput, check_choice
from deltamem.training import Ask, Episode, episodes_sha
from deltamem_cli.data.training_data import TrainingData
from evaluations.errors import InvalidData
from evaluations.rows.files import Row
from evaluations.sources import HubSource, field, load_rows

__all__ = ["QasperData"]

SPLITS = ("train", "validation", "test")
JOIN = "\n\n"
SPANS = ", "
"""Between the extracted spans of one answer, as the data set's own scorer joins them."""

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class QasperData:
    """The shortest questions about papers, in an order made from a seed.

    The authors' own file was never released. What is long is counted in characters of paper,
    question and answer, so that the same episodes come out whatever the tokenizer and the machine.
    """

    path: str | None
    """The official JSON, or a file or folder with the hub's rows; None takes the hub's."""
    revision: str | None
    """Commit or branch of the hub's repository; the commit is what is stored."""
    split: str
    size: Annotated[int, Ge(1)] | None
    """Episodes, the shortest ones; None takes all."""
    max_chars: Annotated[int, Ge(1)]
    """Of question and answer together; longer ones do not fit ``read_length`` and are rejected."""
    seed: Annotated[int, Ge(0)]
    """Of the order."""

    def sources(self) -> list[HubSource]:
        """The hub's own conversion to parquet: the main branch is a script, which nothing runs."""
        others = [name for name in SPLITS if name != self.split]
        source = HubSource(
            id="allenai/qasper",
            config="qasper",
            splits=(self.split, *others),
            revision=self.revision,
            licence="CC BY 4.0",
            setting="training.data.path",
        )
        return [source]

    def load(self) -> TrainingData:
        """Read, reject, take the shortest, put them in order.

        Raises:
            DataUnavailable: the data is not here and cannot be fetched.
            InvalidData: an entry of the wrong shape; names the file and the entry.
            InvalidInput: fewer episodes than ``size``.
        """
        check_choice("training.data.split", self.split, SPLITS)
        (source,) = self.sources()
        rows, data = load_rows(source, given=self.path)
        papers = [row for row in rows if row.split in (None, self.split)]
        if not papers:
            raise InvalidData(f"{self.path or source.id} has no row of the split '{self.split}'")
        rejected: Counter[str] = Counter()
        found = list(self._accepted(papers, rejected))
        episodes = self._ordered(found, rejected)
        facts = {
            "data": f"{source.id}, {self.split}",
            "revision": data.revision,
            "licence": source.licence,
            "papers": len(papers),
            "questions": len(found) + rejected.total(),
            "rejected": dict(sorted(rejected.items())),
            "chosen": "the shortest, by characters of paper, question and answer",
            "episodes": len(episodes),
            "seed": self.seed,
            "sha256": episodes_sha(episodes),
        }
        return TrainingData(episodes=episodes, held_out=(), source=facts)

    def _accepted(self, papers: Sequence[Row], rejected: Counter[str]) -> Iterator[Episode]:
        """Episodes of all papers; every question that makes none is counted with its reason.

        Official files give one id to several questions; the later ones get a number behind it.
        """
        asked: dict[str, list[tuple[Messages, str]]] = {}
        for paper in papers:
            written = _written(paper)
            for question in _entries(paper, "qas"):
                text, answer = field(question, "question", str).strip(), _answer(question)
                same = asked.setdefault(field(question, "question_id", str), [])
                repeated = (written, text) in same
                same.append((written, text))
                name = field(question, "question_id", str) + f"-{len(same)}" * (len(same) > 1)
                reason = "repeated" if repeated else _fault(written, text, answer)
                if reason is None and len(text) + len(answer.text) > self.max_chars:
                    reason = f"question and answer above {self.max_chars} characters"
                if reason is None:
                    ask = Ask(visible=[{"role": "user", "content": text}], answer=answer.text)
                    yield Episode(id=name, written=written, asks=(ask,), join=JOIN)
                else:
                    rejected[reason] += 1

    def _ordered(self, found: Sequence[Episode], rejected: Counter[str]) -> list[Episode]:
        size = len(found) if self.size is None else self.size
        if not 1 <= size <= len(found):
            reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(rejected.items()))
            raise InvalidInput(
                f"training.data.size is {self.size}, and there are {len(found)} episodes "
                f"(rejected: {reasons or 'none'}); take them all with training.data.size=null"
            )
        shortest = sorted(found, key=lambda e: (_chars(e), e.id))[:size]
        # by a digest and not by a generator, whose order a library may change
        return sorted(
            shortest, key=lambda e: hashlib.sha256(f"{self.seed}:{e.id}".encode()).digest()
        )


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What the annotators said of a question."""

    text: str
    annotators: int
    answerable: int
    """Annotators who hold that the paper answers it."""


def _fault(written: Messages, question: str, answer: _Answer) -> str | None:
    """Why a question makes no episode."""
    reasons = {
        "no text": not written,
        "empty question": not question,
        "no annotator": not answer.annotators,
        "unanswerable": not answer.answerable,
        "empty answer": not answer.text,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _written(paper: Row) -> list[dict[str, str]]:
    """Messages: title and abstract, then a paragraph each."""
    head = [field(paper, name, str).strip() for name in ("title", "abstract")]
    texts: list[str] = []
    for section in _entries(paper, "full_text"):
        name = field(section, "section_name", str | None) or ""
        paragraphs = _strings(section, "paragraphs")
        texts += [JOIN.join(p for p in (name.strip(), paragraphs[0]) if p)] if paragraphs else []
        texts += paragraphs[1:]
    if not texts:
        return []
    texts.insert(0, JOIN.join(part for part in head if part))
    return [{"role": "user", "content": text} for text in texts if text]


def _answer(question: Row) -> _Answer:
    """The first annotator's who found one: free form, else the spans, else yes or no."""
    answers = [_inner(entry, "answer") for entry in _entries(question, "answers")]
    answerable = [a for a in answers if not field(a, "unanswerable", bool)]
    texts = [_said(answer) for answer in answerable]
    return _Answer(
        text=next((text for text in texts if text), ""),
        annotators=len(answers),
        answerable=len(answerable),
    )


def _said(answer: Row) -> str:
    free = field(answer, "free_form_answer", str).strip()
    spans = SPANS.join(_strings(answer, "extractive_spans"))
    yes = field(answer, "yes_no", bool | None)
    return free or spans or {True: "Yes", False: "No", None: ""}[yes]


def _entries(row: Row, name: str) -> list[Row]:
    """The entries of a field: a list of them (official), or an object of lists (the hub's)."""
    value = field(row, name, list | Mapping)
    if isinstance(value, Mapping):
        columns = {key: column for key, column in value.items() if isinstance(column, list)}
        if len({len(column) for column in columns.values()}) > 1:
            raise InvalidData(f"{row.where}: the lists of '{name}' differ in length")
        value = [
            dict(zip(columns, entry, strict=True)) for entry in zip(*columns.values(), strict=True)
        ]
    entries = []
    for number, entry in enumerate(value, 1):
        where = f"{row.where}, {name} {number}"
        if not isinstance(entry, Mapping):
            raise InvalidData(f"{where} is a {type(entry).__name__}, not an object")
        entries.append(replace(row, where=where, values=entry))
    return entries


def _inner(row: Row, name: str) -> Row:
    return replace(row, where=f"{row.where}, {name}", values=field(row, name, Mapping))


def _strings(row: Row, name: str) -> list[str]:
    """The texts of a list, stripped, without empty ones."""
    values = field(row, name, list)
    for value in values:
        if not isinstance(value, str):
            raise InvalidData(f"{row.where}: '{name}' holds a {type(value).__name__}, not texts")
    return [value.strip() for value in values if value.strip()]


def _chars(episode: Episode) -> int:
    """Characters of everything that is written, asked and answered."""
    asks = sum(len(m["content"]) for a in episode.asks for m in a.visible)
    answers = sum(len(a.answer) for a in episode.asks)
    return sum(len(m["content"]) for m in episode.written) + asks + answers
