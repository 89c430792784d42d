"""``bench=recall``: who is where, from a dialogue made for the occasion. No download.

    history    user: Today Clara is with Hugo. / assistant: Today Mira is in Quito. / ...
    question   Where is the friend of Clara today?
    reference  Oslo

Groups: the kind of question (``single_hop``, ``two_hop``, ``update``), the same with the number of
statements (``single_hop/4``), and whether the names occur in the training split (``seen``,
``unseen``). The metric is exact match: of all places in the world, the answer names the right one
and no other.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Interval, MinLen

from deltamem_base.faults import InvalidInput
from evaluations.benchmark import Benchmark, Data, Entry, check_new_tokens, digest_of
from evaluations.benchmarks.recall.dialogues import (
    KINDS,
    NAMES,
    PLACES,
    UNSEEN_NAMES,
    Dialogue,
    dialogue,
)
from evaluations.sample import Decoding, History, Sample

__all__ = ["Recall", "RecallSample", "training_dialogue"]

MAX_NEW_TOKENS = 24
PLACE = re.compile(r"\b(" + "|".join(PLACES) + r")\b")
Facts = Annotated[int, Interval(ge=1, le=len(UNSEEN_NAMES))]
"""Statements in a dialogue: each is about a person of its own."""
SPLITS = {"train": 0, "validation": 1, "test": 2}
"""Each split has seeds of its own."""


@dataclass(frozen=True, kw_only=True)
class RecallSample(Sample):
    """A question with the settings that its dialogue was made from."""

    kind: str
    facts: int
    """Statements in the dialogue."""


class Recall(Benchmark[RecallSample]):
    """Generated dialogues; see the module."""

    primary_metric = "em"
    texts_may_be_shared = True

    def __init__(
        self,
        *,
        split: str = "test",
        facts: Annotated[Sequence[Facts], MinLen(1)] = (1, 2, 4, 8, 16),
        kinds: Annotated[Sequence[str], MinLen(1)] = KINDS,
        dialogues: Annotated[int, Ge(1)] = 40,
        questions: Annotated[int, Ge(1)] = 4,
        seed: Annotated[int, Ge(0)] = 0,
        max_new_tokens: Annotated[int, Ge(1)] = MAX_NEW_TOKENS,
    ) -> None:
        """Dialogues for every kind and number of statements.

        Args:
            split: ``test``, or ``validation`` for choices made while training.
            facts: numbers of statements in a dialogue.
            kinds: kinds of question; two-hop and update need at least two statements.
            dialogues: per kind and number, half of them with names unseen in training.
            questions: per dialogue at most.
            seed: of the world.
            max_new_tokens: of an answer.

        Raises:
            InvalidInput: a split or kind that does not exist, or sizes below one.
        """
        _refuse_unknown("split", [split], choices=SPLITS)
        _refuse_unknown("kinds", kinds, choices=KINDS)
        for name, sizes in (
            ("facts", facts),
            ("dialogues", [dialogues]),
            ("questions", [questions]),
        ):
            if not sizes or min(sizes) < 1:
                raise InvalidInput(f"bench.{name} is {sizes}; it must be at least 1")
        self.split, self.facts, self.kinds = split, tuple(facts), tuple(kinds)
        self.dialogues, self.questions, self.seed = dialogues, questions, seed
        check_new_tokens(max_new_tokens)
        self.max_new_tokens = max_new_tokens

    def read(self) -> tuple[Data, list[Entry[RecallSample]]]:
        """Generate the split; the same for the same settings on any machine.

        Raises:
            InvalidInput: no number of statements is enough for any kind.
        """
        self._histories: dict[str, History] = {}
        entries = [
            self._entry(kind, facts, number)
            for kind in self.kinds
            for facts in self.facts
            if facts >= _statements(kind)
            for number in range(self.dialogues)
        ]
        if not entries:
            raise InvalidInput(
                f"bench.kinds={list(self.kinds)} with bench.facts={list(self.facts)} leaves no "
                "question: two_hop and update need at least 2 statements"
            )
        return Data(source="generated", revision=f"seed {self.seed}"), entries

    def _entry(self, kind: str, facts: int, number: int) -> Entry[RecallSample]:
        history_id = f"{self.split}-{kind}-{facts}-{number}"
        unseen = self.split == "test" and number % 2 == 1
        rng = random.Random(f"recall {self.seed} {history_id}")
        made = _fit(rng, kind, facts, names=UNSEEN_NAMES if unseen else NAMES)
        self._histories[history_id] = History(messages=made.messages)
        asked = [q for q in made.questions if q.kind == kind]
        chosen = rng.sample(asked, min(self.questions, len(asked)))
        samples = [
            RecallSample(
                id=f"{history_id}-q{i}",
                history_id=history_id,
                question=question.text,
                asked=question.text,
                references=(question.place,),
                spoken=question.answer,
                groups=(kind, f"{kind}/{facts}", "unseen" if unseen else "seen"),
                kind=kind,
                facts=facts,
            )
            for i, question in enumerate(chosen)
        ]
        return Entry(
            where=f"bench.kinds={list(self.kinds)} with bench.facts={list(self.facts)}",
            history_id=history_id,
            samples=samples,
            content=digest_of([made.messages, [[q.text, q.place] for q in chosen]]),
        )

    def history(self, history_id: str) -> History:
        """The dialogue."""
        return self._histories[history_id]

    def decoding(self, sample: RecallSample) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self.max_new_tokens)

    def usual_limit(self, sample: RecallSample) -> int:
        """The default of ``max_new_tokens``."""
        return MAX_NEW_TOKENS

    def score_answer(self, sample: RecallSample, answer: str) -> dict[str, float]:
        """Exact match of the places named: {reference} and nothing else."""
        return {"em": float(set(PLACE.findall(answer)) == set(sample.references))}

    def protocol(self) -> Mapping[str, Any]:
        """Everything that decides the samples and their scores."""
        return {
            "benchmark": "recall",
            "version": 1,
            "split": self.split,
            "kinds": self.kinds,
            "facts": self.facts,
            "dialogues": self.dialogues,
            "questions": self.questions,
            "seed": self.seed,
            "decoding": {"greedy": True, "max_new_tokens": self.max_new_tokens},
            "metrics": {"em": "set of places named equals the reference"},
        }


def training_dialogue(
    seed: int, index: int, *, max_facts: int = 8, kinds: Sequence[str] = KINDS
) -> Dialogue:
    """Dialogue ``index`` of the endless training split, with names of the seen half only.

    Args:
        seed: of the world.
        index: any number; neighbours have nothing in common.
        max_facts: the number of statements is drawn from 1 to this.
        kinds: the kind of question is drawn from those that so many statements allow.
    """
    rng = random.Random(f"recall train {seed} {index}")
    facts = rng.randint(1, max_facts)
    kind = rng.choice([k for k in kinds if _statements(k) <= facts])
    return _fit(rng, kind, facts, names=NAMES)


def _refuse_unknown(name: str, values: Sequence[str], *, choices: Collection[str]) -> None:
    for value in values:
        if value not in choices:
            raise InvalidInput(f"bench.{name} is '{value}'; choose one of {', '.join(choices)}")


def _statements(kind: str) -> int:
    return 1 if kind == "single_hop" else 2


def _fit(rng: random.Random, kind: str, facts: int, *, names: Sequence[str]) -> Dialogue:
    """A dialogue of ``facts`` statements with one thread of ``kind`` among single facts."""
    kinds = [kind, *["single_hop"] * (facts - _statements(kind))]
    return dialogue(rng, kinds, names=names)
