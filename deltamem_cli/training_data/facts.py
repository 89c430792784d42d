"""Chats of ``bench=facts``' training split, made afresh from a seed."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import fsum
from typing import Annotated

from annotated_types import Ge, Interval

from deltamem.training import Ask, Episode
from deltamem_base.faults import InvalidInput
from deltamem_cli.training_data.training_data import TrainingData
from deltamem_evaluations.benchmarks.facts.attributes import ATTRIBUTES
from deltamem_evaluations.benchmarks.facts.dialogues import (
    MOST_STATEMENTS,
    Dialogue,
    fact_dialogue,
    new_statement,
)
from deltamem_evaluations.benchmarks.facts.people import ACKNOWLEDGEMENTS
from deltamem_evaluations.generated import KINDS, SINGLE_HOP, least

__all__ = ["FactsData"]

Statements = Annotated[int, Interval(ge=1, le=MOST_STATEMENTS)]
Attributes = Annotated[int, Interval(ge=1, le=len(ATTRIBUTES))]
Values = Annotated[int, Ge(1)]
Share = Annotated[float, Interval(ge=0, le=1)]
HELD_OUT_SEED = 1
"""Offset of the seed for the held-out chats of the training split."""


@dataclass(frozen=True, kw_only=True)
class FactsData:
    """Chats made afresh, each with a few questions about what was said in it.

    An answer is the bare value: every token that is learnt then is one that had to be remembered.
    """

    size: Annotated[int, Ge(1)]
    """Training chats; none is seen twice."""
    seed: Annotated[int, Ge(0)]
    """Seed of everything that is drawn."""
    max_facts: Statements
    """Most statements in a chat."""
    easy_shares: Sequence[Share]
    """Which part of all chats each easy stage is, from the first chat on; 1 together at most. Easy
    chats have single-hop questions only, no small talk and no new statements: a memory that meets
    everything at once learns which values there are, and stays there."""
    easy_facts: Sequence[Statements]
    """Statements at most in a chat of each of these stages."""
    easy_attributes: Sequence[Attributes]
    """Attributes that can be said of a person in each of these stages, the first ones."""
    easy_values: Sequence[Values]
    """Values of an attribute in each of these stages, the first ones. What to write and when to
    read is learnt from few values, each seen often; of sixty, each is seen too rarely for that."""
    other_kinds: Share
    """Which part of the chats after the easy ones has a two-hop question or an update; 0 to 1."""
    questions: Annotated[int, Ge(1)]
    """Questions about a chat at most, drawn at random over its statements."""
    acknowledged: Share
    """Which part of the questions is replaced by a new statement, whose answer is a short
    acknowledgement; 0 to 1. A person who tells something in a chat is then not given a value."""
    held_out: Annotated[int, Ge(0)]
    """Chats of every kind and number of facts, without new statements, for evaluation only."""

    def __post_init__(self) -> None:
        """Refuse stages that are told in part or are too long, and more facts than values."""
        stages = (self.easy_shares, self.easy_facts, self.easy_attributes, self.easy_values)
        told = [len(of_each) for of_each in stages]
        if len(set(told)) > 1:
            raise InvalidInput(
                f"training.data.easy_shares has {told[0]} values, easy_facts {told[1]}, "
                f"easy_attributes {told[2]} and easy_values {told[3]}: give each of them one value "
                "per stage"
            )
        if (total := fsum(self.easy_shares)) > 1:
            raise InvalidInput(
                f"the values of training.data.easy_shares add up to {total:g}; they may add up to "
                "at most 1"
            )
        for facts, values in zip(self.easy_facts, self.easy_values, strict=True):
            if facts >= values:
                raise InvalidInput(
                    f"{facts} facts of one attribute need {facts + 1} values, but this stage of "
                    f"training.data.easy_values has {values}"
                )

    def load(self) -> TrainingData:
        """The endless supply, as a sequence of ``size``."""
        facts = {name: value for name, value in asdict(self).items() if name not in UNTOLD}
        no_stages = replace(self, easy_shares=(), easy_facts=(), easy_attributes=(), easy_values=())
        held = FactsEpisodes(replace(no_stages, seed=self.seed + HELD_OUT_SEED, acknowledged=0.0))
        return TrainingData(
            episodes=FactsEpisodes(self),
            held_out=[held[i] for i in range(self.held_out)],
            source={"data": "facts, training split", **facts},
            stored=False,
        )


UNTOLD = ("size", "held_out")
"""Settings that stand on a card as those of the recipe."""


class FactsEpisodes:
    """The endless training split of ``bench=facts``, as a sequence of fixed length."""

    def __init__(self, data: FactsData) -> None:
        """Chats by ``data``."""
        self.data = data
        self.ends = [
            int(data.size * fsum(data.easy_shares[:n])) for n in range(1, len(data.easy_shares) + 1)
        ]

    def __len__(self) -> int:
        return self.data.size

    def __getitem__(self, index: int) -> Episode:
        rng = random.Random(f"facts train {self.data.seed} {index}")
        stage = bisect_right(self.ends, index)
        easy = stage < len(self.ends)
        made, kind = self._easy(rng, stage) if easy else self._full(rng)
        acknowledged = 0.0 if easy else self.data.acknowledged
        return Episode(
            id=f"facts-{self.data.seed}-{index}",
            written=made.messages,
            asks=self._asks(rng, made, kind, acknowledged),
        )

    def _easy(self, rng: random.Random, stage: int) -> tuple[Dialogue, str]:
        facts = rng.randint(1, min(self.data.easy_facts[stage], self.data.max_facts))
        attributes = self.data.easy_attributes[stage]
        made = fact_dialogue(
            rng,
            SINGLE_HOP,
            facts,
            attributes=attributes,
            values=self.data.easy_values[stage],
            small_talk=0,
        )
        return made, SINGLE_HOP

    def _full(self, rng: random.Random) -> tuple[Dialogue, str]:
        facts = rng.randint(1, self.data.max_facts)
        kind, *others = KINDS
        possible = [other for other in others if facts >= least(other)]
        if possible and rng.random() < self.data.other_kinds:
            kind = rng.choice(possible)
        return fact_dialogue(rng, kind, facts), kind

    def _asks(
        self, rng: random.Random, made: Dialogue, kind: str, acknowledged: float
    ) -> tuple[Ask, ...]:
        """Questions at random, the one of the chat's kind among them if it has only one."""
        special = [q for q in made.questions if q.kind == kind]
        first = rng.choice(special)
        others = [q for q in made.questions if q is not first]
        count = min(self.data.questions - 1, len(others))
        asks = []
        for question in [first, *rng.sample(others, count)]:
            text, answer = question.text, question.answer
            if rng.random() < acknowledged:
                text, answer = new_statement(rng), ACKNOWLEDGEMENTS[0]
            asks.append(Ask(visible=[{"role": "user", "content": text}], answer=answer))
        return tuple(asks)
