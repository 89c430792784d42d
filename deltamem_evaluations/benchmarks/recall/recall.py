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
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Interval, MinLen

from deltamem_base.faults import InvalidInput, check_choice
from deltamem_evaluations.benchmarks.recall.dialogues import (
    NAMES,
    PLACES,
    UNSEEN_NAMES,
    Dialogue,
    Question,
    dialogue,
)
from deltamem_evaluations.generated import (
    KINDS,
    MAX_NEW_TOKENS,
    SINGLE_HOP,
    GeneratedBenchmark,
    least,
)
from deltamem_evaluations.sample import Message, Sample

__all__ = ["Recall", "RecallSample", "training_dialogue"]

PLACE = re.compile(r"\b(" + "|".join(PLACES) + r")\b")
Facts = Annotated[int, Interval(ge=1, le=len(UNSEEN_NAMES))]
"""Statements in a dialogue: each is about a person of its own."""
SPLITS = ("train", "validation", "test")
"""Each split has seeds of its own."""


@dataclass(frozen=True, kw_only=True)
class RecallSample(Sample):
    """A question with the settings that its dialogue was made from."""

    kind: str
    facts: int
    """Statements in the dialogue."""


class Recall(GeneratedBenchmark[RecallSample, Question]):
    """Generated dialogues; see the module."""

    name = "recall"
    em_rule = "set of places named equals the reference"

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
            dialogues: number per kind of question and number of facts, half with unseen names.
            questions: per dialogue at most.
            seed: the seed of the generated people, places and dialogues.
            max_new_tokens: of an answer.

        Raises:
            InvalidInput: a split or kind that does not exist, or sizes below one.
        """
        check_choice("bench.split", split, SPLITS)
        for kind in kinds:
            check_choice("bench.kinds", kind, KINDS)
        for name, sizes in (
            ("facts", facts),
            ("dialogues", [dialogues]),
            ("questions", [questions]),
        ):
            if not sizes or min(sizes) < 1:
                raise InvalidInput(f"bench.{name} is {sizes}; it must be at least 1")
        super().__init__(
            split=split,
            facts=facts,
            kinds=kinds,
            dialogues=dialogues,
            questions=questions,
            seed=seed,
            max_new_tokens=max_new_tokens,
        )

    def draw(
        self, rng: random.Random, kind: str, facts: int, *, unseen: bool
    ) -> tuple[Sequence[Message], Sequence[Question]]:
        """A dialogue that tells who is where."""
        made = _fit(rng, kind, facts, names=UNSEEN_NAMES if unseen else NAMES)
        return made.messages, made.questions

    def sample(
        self, question: Question, *, id: str, history_id: str, facts: int, groups: tuple[str, ...]
    ) -> RecallSample:
        """The reference is the place; what is learnt to be said is a sentence."""
        return RecallSample(
            id=id,
            history_id=history_id,
            question=question.text,
            asked=question.text,
            references=(question.place,),
            spoken=question.answer,
            groups=groups,
            kind=question.kind,
            facts=facts,
        )

    def score_answer(self, sample: RecallSample, answer: str) -> dict[str, float]:
        """Exact match of the places named: {reference} and nothing else."""
        return {"em": float(set(PLACE.findall(answer)) == set(sample.references))}


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
    kind = rng.choice([k for k in kinds if least(k) <= facts])
    return _fit(rng, kind, facts, names=NAMES)


def _fit(rng: random.Random, kind: str, facts: int, *, names: Sequence[str]) -> Dialogue:
    """A dialogue of ``facts`` statements with one thread of ``kind`` among single facts."""
    kinds = [kind, *[SINGLE_HOP] * (facts - least(kind))]
    return dialogue(rng, kinds, names=names)
