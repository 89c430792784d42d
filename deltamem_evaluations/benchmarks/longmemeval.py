"""LongMemEval (Wu et al., 2025): 500 questions to an assistant about chats of the past months.

    history    DATE: 2023/05/20 (Sat) 02:21
               CHAT:
               user: I have repotted the fern and the two palms today.
               assistant: Lovely! Did they need a bigger pot?
               ...
    question   TODAY: 2023/05/30 (Tue) 23:40
               QUESTION: How many plants have I repotted?
    reference  3

Every question has chats of its own. ``subset=s``: 40 to 60 of them, about 115,000 tokens, most of
which have nothing to do with the question; ``subset=oracle``: those alone that hold the answer.

Groups are the six types, by number and count: single-session-user 70, single-session-assistant 56,
single-session-preference 30, multi-session 133, temporal-reasoning 133, knowledge-update 78; and
the seventh, abstention: 30 of these ask what the chats do not tell, and count under both names, as
in the benchmark's own averages.

The benchmark has every answer judged by a language model (``judge.url=``), overall (``judged``)
and as the mean of its six types (``judged_by_type``). What is measured without one is named
``unjudged``, and is not its number: ``unjudged_contains`` and ``unjudged_f1`` (words in common with
the reference), and for abstention ``unjudged_abstains``
(:mod:`deltamem_evaluations.metrics.abstention`).
The reference of a preference is a rubric for the judge, of which no answer need share a word: those
questions are asked, and have no such score.

As in the benchmark's own long-context runs: chats by date, greedy, 500 new tokens, and where not
all fits into view, the newest go. The wording is ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from deltamem_base.digests import sha256_of
from deltamem_base.faults import check_choice
from deltamem_evaluations.benchmark import (
    Benchmark,
    Data,
    Entry,
    Scored,
    check_new_tokens,
    digest_of,
)
from deltamem_evaluations.data.datafile import UrlSource, locate
from deltamem_evaluations.data.rows.files import read_file
from deltamem_evaluations.data.rows.longmemeval import LongMemEvalRow, read_question
from deltamem_evaluations.judging.longmemeval import longmemeval_question
from deltamem_evaluations.judging.rules import JUDGED, Inquiry, asked_once
from deltamem_evaluations.metrics.abstention import ABSTENTION_RULE, abstains
from deltamem_evaluations.metrics.references import REFERENCE_METRICS
from deltamem_evaluations.metrics.statistics import Metric, ScoredQuestion, mean_over_groups
from deltamem_evaluations.sample import Cut, Decoding, History, Message, Sample

__all__ = ["COUNTS", "SOURCES", "LongMemEval", "LongMemEvalSample"]

HUB = "xiaowu0162/longmemeval-cleaned"
REVISION = "98d7416c24c778c2fee6e6f3006e7a073259d48f"


def _released(name: str, sha256: str) -> UrlSource:
    url = f"https://huggingface.co/datasets/{HUB}/resolve/{REVISION}/{name}"
    return UrlSource(name=name, url=url, sha256=sha256, licence="MIT")


SOURCES: Mapping[str, UrlSource] = {
    "s": _released(
        "longmemeval_s_cleaned.json",
        "d6f21ea9d60a0d56f34a05b609c79c88a451d2ae03597821ea3d5a9678c3a442",
    ),
    "oracle": _released(
        "longmemeval_oracle.json",
        "821a2034d219ab45846873dd14c14f12cfe7776e73527a483f9dac095d38620c",
    ),
}
"""Released files by subset: those of 2025, whose histories were cleaned."""
COUNTS: Mapping[str, int] = {
    "single-session-user": 70,
    "single-session-assistant": 56,
    "single-session-preference": 30,
    "multi-session": 133,
    "temporal-reasoning": 133,
    "knowledge-update": 78,
    "abstention": 30,
}
"""Questions by group; those of abstention are among the others."""
MAX_NEW_TOKENS = 500

SYSTEM = (
    "You are an assistant who has had several chats with a user; the date of each stands before "
    "what was said in it. Answer the user's question from these chats."
)
PREAMBLE = "DATE: {date}\nCHAT:\n"
TURN = "{role}: {content}"
QUESTION = "TODAY: {date}\nQUESTION: {question}"
BETWEEN = "\n"
WORDS = ("contains", "f1")
"""Metrics of words in common with the reference."""


@dataclass(frozen=True, kw_only=True)
class LongMemEvalSample(Sample):
    """A question with what the release says of it."""

    question_type: str
    abstention: bool
    """Whether the right answer says that the chats do not tell."""
    evidence: Sequence[str]
    """Ids of the chats that tell the answer."""

    @property
    def has_rubric(self) -> bool:
        """Whether the reference tells what a good answer does, and is none itself."""
        return self.question_type == "single-session-preference"


class LongMemEval(Benchmark[LongMemEvalSample]):
    """Questions about chats of the past; see the module."""

    primary_metric = "unjudged_contains"

    def __init__(
        self,
        *,
        subset: str = "s",
        path: str | None = None,
        max_new_tokens: Annotated[int, Ge(1)] = MAX_NEW_TOKENS,
    ) -> None:
        """Settings of one evaluation.

        Args:
            subset: ``s`` or ``oracle``, see the module.
            path: a file of the same form, such as the release before it was cleaned; None looks in
                the data folder, then downloads the subset's.
            max_new_tokens: of an answer.

        Raises:
            InvalidInput: a subset that does not exist, or no room for an answer.
        """
        check_choice("bench.subset", subset, tuple(SOURCES))
        check_new_tokens(max_new_tokens)
        self.source, self._path = SOURCES[subset], path
        self.max_new_tokens = max_new_tokens

    def sources(self) -> Sequence[UrlSource]:
        """The released file of the subset."""
        return (self.source,)

    def read(self) -> tuple[Data, list[Entry[LongMemEvalSample]]]:
        """The questions with a history each, and what tells them from the release."""
        path = locate(self.source, given=self._path)
        self._rows: dict[str, LongMemEvalRow] = {}
        entries = []
        for at in read_file(path):
            row = read_question(at)
            self._rows[row.question_id] = row
            entries.append(
                Entry(
                    where=at.where,
                    history_id=row.question_id,
                    samples=[_sample(row)],
                    content=digest_of(row),
                )
            )
        digest = sha256_of(path)
        subset = next((name for name, s in SOURCES.items() if s.sha256 == digest), None)
        data = Data(
            source=HUB if subset else path.name,
            subset=subset,
            revision=REVISION if subset else None,
            sha256=digest,
            deviations=() if subset else tuple(_differences(entries)),
        )
        return data, entries

    def history(self, history_id: str) -> History:
        """One message per turn of a chat, all in one user turn that the question continues."""
        turns: list[Message] = [{"role": "system", "content": SYSTEM}]
        for number, (date, chat) in enumerate(self._rows[history_id].chats, 1):
            preamble = PREAMBLE.format(date=date)
            turns += [
                {
                    "role": "user",
                    "content": ("" if position else preamble)
                    + TURN.format(role=turn.role, content=turn.content),
                    "speaker": turn.role,
                    "session": str(number),
                    "preamble": preamble,
                }
                for position, turn in enumerate(chat)
            ]
        return History(messages=tuple(turns), join=BETWEEN, cut=Cut(side="end"))

    def decoding(self, sample: LongMemEvalSample) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self.max_new_tokens)

    def usual_limit(self, sample: LongMemEvalSample) -> int:
        """New tokens that the benchmark's own script allows."""
        return MAX_NEW_TOKENS

    def score_answer(self, sample: LongMemEvalSample, answer: str) -> dict[str, float]:
        """Words in common, or for abstention whether the answer abstains; of a rubric nothing."""
        if sample.abstention:
            return {"unjudged_abstains": float(abstains(answer))}
        if sample.has_rubric:
            return {}
        return {
            f"unjudged_{name}": REFERENCE_METRICS[name].best(answer, sample.references)
            for name in WORDS
        }

    def ask_judge(self, sample: LongMemEvalSample, answer: str) -> Inquiry | None:
        """The prompt of the benchmark's own judge."""
        return asked_once(
            longmemeval_question(
                sample.question_type,
                question=sample.asked,
                reference=sample.references[0],
                answer=answer,
                abstention=sample.abstention,
            )
        )

    def metrics(self, scored: Sequence[Scored[LongMemEvalSample]]) -> dict[str, Metric]:
        """All means, and of judged answers the mean of the types' means."""
        found = super().metrics(scored)
        judged = [
            ScoredQuestion(
                score=s.scores[JUDGED],
                history=s.sample.history_id,
                groups=(s.sample.question_type,),
            )
            for s in scored
            if JUDGED in s.scores
        ]
        return {**found, **({f"{JUDGED}_by_type": mean_over_groups(judged)} if judged else {})}

    def protocol(self) -> Mapping[str, object]:
        """Templates, order, cut, decoding and metrics, with the questions by group."""
        return {
            "benchmark": "longmemeval",
            "version": 1,
            "templates": [SYSTEM, PREAMBLE, TURN, QUESTION, BETWEEN],
            "order": "chats by date",
            "cut": "newest turns",
            "groups": _by_group(self._samples),
            "decoding": vars(Decoding(max_new_tokens=self.max_new_tokens)),
            "metrics": {
                **{f"unjudged_{name}": REFERENCE_METRICS[name].rule for name in WORDS},
                "unjudged_abstains": ABSTENTION_RULE,
            },
        }


def _sample(row: LongMemEvalRow) -> LongMemEvalSample:
    abstention = ("abstention",) if row.is_abstention else ()
    return LongMemEvalSample(
        id=row.question_id,
        history_id=row.question_id,
        question=QUESTION.format(date=row.question_date, question=row.question),
        asked=row.question,
        references=(row.answer,),
        groups=(row.question_type, *abstention),
        question_type=row.question_type,
        abstention=row.is_abstention,
        evidence=row.answer_session_ids,
    )


def _by_group(samples: Sequence[Sample]) -> dict[str, int]:
    return dict(Counter(group for sample in samples for group in sample.groups))


def _differences(entries: Sequence[Entry[LongMemEvalSample]]) -> Iterator[str]:
    """Sentences on what tells a file that is none of the released from them."""
    yield "the file is not one of those released in 2025 (their sha256 is another)"
    found = _by_group([sample for entry in entries for sample in entry.samples])
    if found != COUNTS:
        counts = ", ".join(f"{name} {found.get(name, 0)}" for name in COUNTS)
        yield f"questions by group are {counts} instead of the released counts"
