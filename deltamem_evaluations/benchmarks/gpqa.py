"""GPQA-Diamond (Rein et al., 2023): 198 questions of graduate-level science, four options each.

    history    none: there is nothing to remember, memory sees the question only
    question   <a question of physics, chemistry or biology>

               (A) <an option>
               (B) <an option>
               (C) <an option>
               (D) <an option>

               Think it through step by step. End with one line of this form, with the letter ...
    reference  C

No real question stands here, because the authors ask that none is shown in clear; see
``confidential``. The options of a record are shuffled with a seed from its id and ``seed``; the
order is in the sample's metadata. Groups are the high-level domains. ``accuracy`` counts an answer
that names no option as wrong, and ``parsed`` says how many name one.

``protocol=benchmark``: bracketed options and a closing sentence as in GPQA's own zero-shot prompts,
after reasoning in the open. ``protocol=paper``: the letter in a JSON object and no call to reason,
as behind the paper's tables. Both decode greedily, and 8,192 new tokens are room enough for either.
The data is CC BY 4.0, behind a form on the hub.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from annotated_types import Ge

from deltamem_evaluations.benchmark import Benchmark, Data, Entry, check_new_tokens, digest_of
from deltamem_evaluations.data.datafile import check_protocol
from deltamem_evaluations.data.rows.gpqa import COLUMNS, GpqaRow
from deltamem_evaluations.data.rows.schema import check
from deltamem_evaluations.data.sources import HubSource, load_rows
from deltamem_evaluations.metrics.choice import CHOICE_RULE, LETTERS, extract_choice
from deltamem_evaluations.sample import Decoding, History, Sample

__all__ = ["GPQA", "GpqaSample"]

QUESTIONS = 198
MAX_NEW_TOKENS = 8192
DIAMOND = "gpqa_diamond.csv"
SHUFFLE = "md5 of 'record:seed', first 8 hex digits, seeds random.Random(...).shuffle of 0-3"

ASKED = "{question}\n\n{options}"
QUESTION = "{asked}\n\n{instruction}"
OPTION = {"benchmark": "({letter}) {text}", "paper": "{letter}. {text}"}
INSTRUCTION = {
    "benchmark": (
        "Think it through step by step. End with one line of this form, with the letter of your "
        'option in place of X: "The correct answer is (X)".'
    ),
    "paper": (
        "One of the four options is right. Give its letter, and nothing but the letter, in the "
        'field "answer" of a JSON object, in place of X: {"answer": "X"}'
    ),
}


@dataclass(frozen=True, kw_only=True)
class GpqaSample(Sample):
    """A question with the order in which its options are shown."""

    order: Sequence[str]
    """The release's column of each option shown."""
    correct: str
    """Letter of the right one."""
    subdomain: str | None


class GPQA(Benchmark[GpqaSample]):
    """The diamond set; see the module."""

    primary_metric = "accuracy"
    confidential: ClassVar[bool] = True
    """The questions and options must not be printed, logged or published."""

    def __init__(
        self,
        *,
        protocol: str = "benchmark",
        path: str | None = None,
        revision: str | None = None,
        seed: Annotated[int, Ge(0)] = 42,
        max_new_tokens: Annotated[int, Ge(1)] = MAX_NEW_TOKENS,
    ) -> None:
        """Settings of one evaluation.

        Args:
            protocol: ``benchmark`` or ``paper``, see the module.
            path: ``gpqa_diamond.csv`` or rows with its columns in another format, or a folder with
                it; None takes what was fetched, then the hub.
            revision: commit of the hub's data set; None takes the newest and stores which it was.
            seed: of the order of the options; 42 has the order behind the paper's tables.
            max_new_tokens: of an answer.

        Raises:
            InvalidInput: a protocol that does not exist, or no room for an answer.
        """
        check_protocol(protocol)
        check_new_tokens(max_new_tokens)
        self._option, self._instruction = OPTION[protocol], INSTRUCTION[protocol]
        self._path, self.seed, self.max_new_tokens = path, seed, max_new_tokens
        self.source = HubSource(
            id="Idavidrein/gpqa",
            config="gpqa_diamond",
            splits=("train",),
            revision=revision,
            files=(DIAMOND,),
            licence="CC BY 4.0, gated",
            gated=True,
        )

    def sources(self) -> Sequence[HubSource]:
        """The hub's data set."""
        return (self.source,)

    def read(self) -> tuple[Data, list[Entry[GpqaSample]]]:
        """The questions, whose number is held against the release's."""
        located, data = load_rows(self.source, given=self._path)
        entries = []
        for at in located:
            row = check(GpqaRow, at)
            sample = self._sample(row)
            entries.append(
                Entry(
                    where=at.where, history_id=sample.id, samples=[sample], content=digest_of(row)
                )
            )
        if len(entries) != QUESTIONS:
            deviation = (
                f"GPQA has {len(entries)} questions instead of the {QUESTIONS} of the release"
            )
            data = replace(data, deviations=(*data.deviations, deviation))
        return data, entries

    def _sample(self, row: GpqaRow) -> GpqaSample:
        """A question with its options in the order of its record and the seed."""
        record = row.record or _record_of(row.question)
        order = _order(record, self.seed)
        listed = "\n".join(
            self._option.format(letter=letter, text=row.options[i])
            for letter, i in zip(LETTERS, order, strict=True)
        )
        asked = ASKED.format(question=row.question, options=listed)
        correct = LETTERS[order.index(0)]
        return GpqaSample(
            id=record,
            history_id=record,
            question=QUESTION.format(asked=asked, instruction=self._instruction),
            asked=asked,
            references=(correct,),
            groups=(row.domain,) if row.domain else (),
            order=[COLUMNS[i] for i in order],
            correct=correct,
            subdomain=row.subdomain,
        )

    def history(self, history_id: str) -> History:
        """Empty."""
        return History(messages=())

    def decoding(self, sample: GpqaSample) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self.max_new_tokens)

    def usual_limit(self, sample: GpqaSample) -> int:
        """The default of ``max_new_tokens``."""
        return MAX_NEW_TOKENS

    def score_answer(self, sample: GpqaSample, answer: str) -> dict[str, float]:
        """``accuracy``, and ``parsed``: whether the answer names an option at all."""
        letter = extract_choice(answer)
        return {
            "accuracy": float(letter == sample.references[0]),
            "parsed": float(letter is not None),
        }

    def protocol(self) -> Mapping[str, object]:
        """Templates, group map with counts, order of the options, decoding and metrics."""
        return {
            "benchmark": "gpqa",
            "version": 1,
            "setting": f"{self.source.config}, {', '.join(self.source.splits)}",
            "templates": [ASKED, QUESTION, self._option, self._instruction],
            "options": f"{SHUFFLE}; columns {', '.join(COLUMNS)}; seed {self.seed}",
            "groups": dict(Counter(group for s in self._samples for group in s.groups)),
            "decoding": vars(Decoding(max_new_tokens=self.max_new_tokens)),
            "answer": CHOICE_RULE,
            "metrics": {
                "accuracy": "the letter of the correct option; no letter is wrong",
                "parsed": "a letter was found",
            },
        }


def _record_of(question: str) -> str:
    """An id for a record without one, the same wherever its row stands."""
    return hashlib.sha256(question.encode()).hexdigest()[:16]


def _order(record: str, seed: int) -> list[int]:
    """The columns that stand under A, B, C and D, by their number."""
    digest = hashlib.md5(f"{record}:{seed}".encode(), usedforsecurity=False).hexdigest()
    order = list(range(len(COLUMNS)))
    random.Random(int(digest[:8], 16)).shuffle(order)
    return order
