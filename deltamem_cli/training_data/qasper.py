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
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from deltamem.training import Ask, Episode, episodes_sha, joined_by_history
from deltamem_base.faults import InvalidData, InvalidInput, check_choice
from deltamem_cli.training_data.qasper_rows import Answer, Paper, Question
from deltamem_cli.training_data.training_data import TrainingData
from deltamem_evaluations.data.rows.files import Row
from deltamem_evaluations.data.rows.schema import check
from deltamem_evaluations.data.sources import HubSource, load_rows

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
    together: Annotated[int, Ge(1)]
    """Questions about one history that make one episode at most; 1, as in the paper's recipe, has
    each be an episode."""
    max_chars: Annotated[int, Ge(1)]
    """Characters of question and answer together; longer ones would not fit and are rejected."""
    seed: Annotated[int, Ge(0)]
    """Seed of the order of the papers."""

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
            Unavailable: the data is not here and cannot be fetched.
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
        episodes = joined_by_history(self._ordered(found, rejected), self.together)
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
        for row in papers:
            paper = check(Paper, row)
            written = _written(paper)
            for question in paper.qas:
                text, answer = question.question.strip(), _answer(question)
                same = asked.setdefault(question.question_id, [])
                repeated = (written, text) in same
                same.append((written, text))
                name = question.question_id + f"-{len(same)}" * (len(same) > 1)
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
    """The answers that the annotators gave to a question."""

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


def _written(paper: Paper) -> list[dict[str, str]]:
    """Messages: title and abstract, then a paragraph each."""
    texts: list[str] = []
    for section in paper.full_text:
        name = (section.section_name or "").strip()
        paragraphs = _filled(section.paragraphs)
        texts += [JOIN.join(p for p in (name, paragraphs[0]) if p)] if paragraphs else []
        texts += paragraphs[1:]
    if not texts:
        return []
    texts.insert(0, JOIN.join(_filled([paper.title, paper.abstract])))
    return [{"role": "user", "content": text} for text in texts if text]


def _answer(question: Question) -> _Answer:
    """The first annotator's who found one: free form, else the spans, else yes or no."""
    answers = [annotation.answer for annotation in question.answers]
    answerable = [answer for answer in answers if not answer.unanswerable]
    texts = [_said(answer) for answer in answerable]
    return _Answer(
        text=next((text for text in texts if text), ""),
        annotators=len(answers),
        answerable=len(answerable),
    )


def _said(answer: Answer) -> str:
    spans = SPANS.join(_filled(answer.extractive_spans))
    yes = {True: "Yes", False: "No", None: ""}[answer.yes_no]
    return answer.free_form_answer.strip() or spans or yes


def _filled(texts: Sequence[str]) -> list[str]:
    """Texts, stripped, without empty ones."""
    return [text.strip() for text in texts if text.strip()]


def _chars(episode: Episode) -> int:
    """Characters of everything that is written, asked and answered."""
    asks = sum(len(m["content"]) for a in episode.asks for m in a.visible)
    answers = sum(len(a.answer) for a in episode.asks)
    return sum(len(m["content"]) for m in episode.written) + asks + answers
