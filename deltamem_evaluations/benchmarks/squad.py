"""SQuAD (Rajpurkar et al., 2016): a paragraph of an encyclopedia, and questions that it answers.

    history    The Normans (Norman: Nourmands; French: Normands) were the people who in the 10th and
               11th centuries gave their name to Normandy, a region in France. ...
    question   Question: In what country is Normandy located?
               Answer:
    reference  France

A paragraph is one history, written once for all its questions, and a message in the user turn that
a question ends; the instructions are a system message, which stays where the paragraph is dropped.
Scores are EM and F1 by SQuAD's own rules, the best over the annotators' answers. The first line of
an answer that is not empty is scored. Greedy, 32 new tokens: SQuAD does not say how answers are
made.

Whatever has SQuAD's format can be asked, such as SQuAD 2.0 and XQuAD. What a paragraph does not
answer (SQuAD 2.0) is left out, or with ``unanswerable=true`` has the answer "The passage does not
say.", which is scored as SQuAD 2.0's empty one. With ``excluding=FILE`` no question is about an
article of that file, known by its title and by the text of its paragraphs: what something was
trained on says nothing of its memory. The data is CC BY-SA 4.0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from deltamem_base.faults import InvalidData
from deltamem_evaluations.benchmark import Benchmark, Data, Entry, check_new_tokens, digest_of
from deltamem_evaluations.data.rows.squad import Paragraph, SquadQuestion, read_paragraphs
from deltamem_evaluations.data.sources import HubSource, load_rows
from deltamem_evaluations.metrics.squad import SQUAD_RULE, normalise, squad_scores
from deltamem_evaluations.metrics.text import first_written_line
from deltamem_evaluations.sample import Cut, Decoding, History, Message, Sample

__all__ = ["BETWEEN", "NO_ANSWER", "Squad", "SquadSample", "asked_as", "instructions"]

QUESTIONS = 10_570
MAX_NEW_TOKENS = 32

SYSTEM = (
    "Reply to the question with its answer alone, on one line: a name, a number or a few words of "
    "the passage. Do not explain it, and do not write a sentence."
)
"""Right with the paragraph in view and without it."""
NO_ANSWER = "The passage does not say."
OR_NONE = f" Where the passage has no answer, reply: {NO_ANSWER}"
QUESTION = "Question: {question}\nAnswer:"
BETWEEN = "\n\n"


def instructions(*, unanswerable: bool) -> Message:
    """The system message.

    Args:
        unanswerable: whether there are questions that their paragraph does not answer.
    """
    return {"role": "system", "content": SYSTEM + OR_NONE * unanswerable}


def asked_as(question: SquadQuestion) -> str:
    """The user turn of a question."""
    return QUESTION.format(question=question.question.strip())


@dataclass(frozen=True, kw_only=True)
class SquadSample(Sample):
    """A question with the article that it is about."""

    title: str | None
    answerable: bool
    """Whether the paragraph answers it."""


class Squad(Benchmark[SquadSample]):
    """Paragraphs with their questions; see the module."""

    primary_metric = "f1"
    texts_may_be_shared = True

    def __init__(
        self,
        *,
        path: str | None = None,
        revision: str | None = None,
        excluding: str | None = None,
        unanswerable: bool = False,
        max_new_tokens: Annotated[int, Ge(1)] = MAX_NEW_TOKENS,
    ) -> None:
        """Settings of one evaluation.

        Args:
            path: the official JSON, or a file or folder with rows as the hub has them, of SQuAD or
                of what has its format; None takes what was fetched, then the hub.
            revision: commit of the hub's data set; None takes the newest and stores which it was.
            excluding: another such file, whose articles are left out.
            unanswerable: whether to ask also what a paragraph does not answer.
            max_new_tokens: of an answer.

        Raises:
            InvalidInput: no room for an answer.
        """
        check_new_tokens(max_new_tokens)
        self._path, self._excluding, self.unanswerable = path, excluding, unanswerable
        self.max_new_tokens = max_new_tokens
        self.source = HubSource(
            id="rajpurkar/squad",
            config="plain_text",
            splits=("validation",),
            revision=revision,
            files=("plain_text/validation-*.parquet",),
            licence="CC BY-SA 4.0",
        )

    def sources(self) -> Sequence[HubSource]:
        """The hub's data set."""
        return (self.source,)

    def read(self) -> tuple[Data, list[Entry[SquadSample]]]:
        """The paragraphs that are asked about, and what tells them from the release."""
        rows, data = load_rows(self.source, given=self._path)
        paragraphs, notes = self._apart(read_paragraphs(rows))
        asked = {
            p.id: [q for q in p.questions if q.references or self.unanswerable] for p in paragraphs
        }
        self._paragraphs = {p.id: p for p in paragraphs if asked[p.id]}
        entries = [self._entry(p, asked[p.id]) for p in self._paragraphs.values()]
        count = sum(map(len, asked.values()))
        left = sum(len(p.questions) for p in paragraphs) - count
        if left:
            notes.append(f"{left:,} questions that their paragraph does not answer are not asked")
        if count != QUESTIONS:
            notes.append(
                f"there are {count:,} questions instead of the {QUESTIONS:,} of SQuAD 1.1's "
                "validation split"
            )
        return replace(data, deviations=(*data.deviations, *notes)), entries

    def _apart(self, paragraphs: list[Paragraph]) -> tuple[list[Paragraph], list[str]]:
        """Paragraphs of articles that the excluded file lacks, and in words how many it has."""
        if self._excluding is None:
            return paragraphs, []
        rows, _ = load_rows(replace(self.source, setting="bench.excluding"), given=self._excluding)
        kept = _without_articles(paragraphs, read_paragraphs(rows))
        name = Path(self._excluding).name
        if not kept:
            raise InvalidData(
                f"{name} holds every article that is asked about: no question is left; name "
                "another file with bench.excluding"
            )
        return kept, [
            f"{len(paragraphs) - len(kept):,} of {len(paragraphs):,} paragraphs are left out, "
            f"whose articles {name} has"
        ]

    def _entry(
        self, paragraph: Paragraph, questions: Sequence[SquadQuestion]
    ) -> Entry[SquadSample]:
        return Entry(
            where=paragraph.where,
            history_id=paragraph.id,
            samples=[self._sample(paragraph, question) for question in questions],
            content=digest_of(
                [
                    paragraph.title,
                    paragraph.context,
                    [[q.id, q.question, q.references] for q in questions],
                ]
            ),
        )

    def _sample(self, paragraph: Paragraph, question: SquadQuestion) -> SquadSample:
        kind = "answerable" if question.references else "unanswerable"
        return SquadSample(
            id=question.id,
            history_id=paragraph.id,
            question=asked_as(question),
            asked=question.question.strip(),
            references=question.references or (NO_ANSWER,),
            groups=(kind,) if self.unanswerable else (),
            title=paragraph.title,
            answerable=bool(question.references),
        )

    def history(self, history_id: str) -> History:
        """The instructions and the paragraph."""
        paragraph = self._paragraphs[history_id]
        passage = {"role": "user", "content": paragraph.context.strip()}
        if paragraph.title is not None:
            passage["title"] = paragraph.title
        system = instructions(unanswerable=self.unanswerable)
        return History(messages=(system, passage), join=BETWEEN, cut=Cut(side="end"))

    def decoding(self, sample: SquadSample) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self.max_new_tokens)

    def usual_limit(self, sample: SquadSample) -> int:
        """The default of ``max_new_tokens``."""
        return MAX_NEW_TOKENS

    def score_answer(self, sample: SquadSample, answer: str) -> dict[str, float]:
        """``em`` and ``f1`` of the first line that is not empty."""
        line = first_written_line(answer)
        if self.unanswerable and normalise(line) == normalise(NO_ANSWER):
            line = ""
        return squad_scores(line, sample.references if sample.answerable else ())

    def protocol(self) -> Mapping[str, object]:
        """Templates, cut, decoding and metrics."""
        return {
            "benchmark": "squad",
            "version": 1,
            "templates": [instructions(unanswerable=self.unanswerable), BETWEEN, QUESTION],
            "cut": "end of the paragraph",
            "unanswerable": NO_ANSWER if self.unanswerable else None,
            "groups": dict(Counter(group for s in self._samples for group in s.groups)),
            "decoding": vars(Decoding(max_new_tokens=self.max_new_tokens)),
            "answer": "first line that is not empty",
            "metrics": SQUAD_RULE,
        }


def _without_articles(
    paragraphs: Sequence[Paragraph], others: Sequence[Paragraph]
) -> list[Paragraph]:
    """Paragraphs of articles of which the others have neither the title nor any paragraph."""
    titles = {_plain(p.title) for p in others if p.title is not None}
    texts = {_plain(p.context) for p in others}
    titles |= {_plain(p.title) for p in paragraphs if p.title and _plain(p.context) in texts}
    return [
        p
        for p in paragraphs
        if _plain(p.context) not in texts and (p.title is None or _plain(p.title) not in titles)
    ]


def _plain(text: str) -> str:
    """Text as it is compared: the hub's titles have underscores, others spaces."""
    return " ".join(text.replace("_", " ").casefold().split())
