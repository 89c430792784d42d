"""Chats of ``bench=facts``' training split, made afresh from a seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated

from annotated_types import Ge, Interval

from deltamem.training import Ask, Episode
from deltamem_cli.training_data.training_data import TrainingData
from evaluations.benchmarks.facts.dialogues import (
    KINDS,
    MOST_STATEMENTS,
    Dialogue,
    fact_dialogue,
    least,
    new_statement,
)
from evaluations.benchmarks.facts.people import ACKNOWLEDGEMENTS

__all__ = ["FactsData"]

Statements = Annotated[int, Interval(ge=1, le=MOST_STATEMENTS)]
Share = Annotated[float, Interval(ge=0, le=1)]
HELD_OUT_SEED = 1
"""Offset of the seed for the held-out chats of the training split."""
QUARTERS = 4


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
    """Statements in a chat at most."""
    easy_facts: Sequence[Statements]
    """Statements at most in the first quarter of the chats, in the second, and so on; such chats
    have single-hop questions only."""
    other_kinds: Share
    """Which part of the chats after the easy ones has a two-hop question or an update; 0 to 1."""
    questions: Annotated[int, Ge(1)]
    """Questions about a chat at most, drawn at random over its statements."""
    acknowledged: Share
    """Which part of the questions is replaced by a new statement, whose answer is a short
    acknowledgement; 0 to 1. A person who tells something in a chat is then not given a value."""
    held_out: Annotated[int, Ge(0)]
    """Chats that are only evaluated on, of every kind and number, and without new statements."""

    def load(self) -> TrainingData:
        """The endless supply, as a sequence of ``size``."""
        facts = {name: value for name, value in asdict(self).items() if name not in UNTOLD}
        held = FactsEpisodes(self, seed=self.seed + HELD_OUT_SEED, easy_facts=(), acknowledged=0.0)
        return TrainingData(
            episodes=FactsEpisodes(
                self, seed=self.seed, easy_facts=self.easy_facts, acknowledged=self.acknowledged
            ),
            held_out=[held[i] for i in range(self.held_out)],
            source={"data": "facts, training split", **facts},
            stored=False,
        )


UNTOLD = ("size", "held_out")
"""Settings that stand on a card as those of the recipe."""


class FactsEpisodes:
    """The endless training split of ``bench=facts``, as a sequence of fixed length."""

    def __init__(
        self, data: FactsData, *, seed: int, easy_facts: Sequence[int], acknowledged: float
    ) -> None:
        """Chats by ``data``, but for what is given here."""
        self.data, self.seed = data, seed
        self.easy_facts, self.acknowledged = tuple(easy_facts), acknowledged

    def __len__(self) -> int:
        return self.data.size

    def __getitem__(self, index: int) -> Episode:
        rng = random.Random(f"facts train {self.seed} {index}")
        quarter = index * QUARTERS // self.data.size
        easy = quarter < len(self.easy_facts)
        most = min(self.easy_facts[quarter], self.data.max_facts) if easy else self.data.max_facts
        facts = rng.randint(1, most)
        kind, *others = KINDS
        possible = [other for other in others if facts >= least(other)]
        if not easy and possible and rng.random() < self.data.other_kinds:
            kind = rng.choice(possible)
        made = fact_dialogue(rng, kind, facts)
        return Episode(
            id=f"facts-{self.seed}-{index}", written=made.messages, asks=self._asks(rng, made, kind)
        )

    def _asks(self, rng: random.Random, made: Dialogue, kind: str) -> tuple[Ask, ...]:
        """Questions at random, the one of the chat's kind among them if it has only one."""
        special = [q for q in made.questions if q.kind == kind]
        first = rng.choice(special)
        others = [q for q in made.questions if q is not first]
        count = min(self.data.questions - 1, len(others))
        asks = []
        for question in [first, *rng.sample(others, count)]:
            text, answer = question.text, question.answer
            if rng.random() < self.acknowledged:
                text, answer = new_statement(rng), ACKNOWLEDGEMENTS[0]
            asks.append(Ask(visible=[{"role": "user", "content": text}], answer=answer))
        return tuple(asks)
