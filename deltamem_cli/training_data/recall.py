"""Dialogues of ``bench=recall``'s training split, made afresh from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Interval

from deltamem.training import Ask, Episode
from deltamem_cli.training_data.training_data import TrainingData
from deltamem_evaluations.benchmarks.recall.dialogues import NAMES

__all__ = ["RecallData"]

Facts = Annotated[int, Interval(ge=1, le=len(NAMES))]
"""Statements in a dialogue: each is about a person of its own."""
HELD_OUT_SEED = 1
"""Offset of the seed for the held-out dialogues of the training split."""


@dataclass(frozen=True, kw_only=True)
class RecallData:
    """Dialogues made afresh, each with up to four of its questions."""

    size: Annotated[int, Ge(1)]
    """Training dialogues; none is seen twice."""
    seed: Annotated[int, Ge(0)]
    """Seed that the dialogues are drawn with."""
    max_facts: Facts
    """Most statements in a dialogue."""
    held_out: Annotated[int, Ge(0)]
    """Dialogues, of every kind and number of facts, that are evaluated and never trained on."""
    easy_facts: Facts
    """Statements at most in the easy dialogues, which have single-hop questions only."""
    easy_share: Annotated[float, Interval(ge=0, le=1)]
    """Share of the dialogues, from the first on, that are easy; 0 to 1."""

    def load(self) -> TrainingData:
        """The endless supply, as a sequence of ``size``."""
        held = RecallEpisodes(
            seed=self.seed + HELD_OUT_SEED,
            size=self.held_out,
            max_facts=self.max_facts,
            easy_facts=1,
            easy_share=0.0,
        )
        return TrainingData(
            episodes=RecallEpisodes(
                seed=self.seed,
                size=self.size,
                max_facts=self.max_facts,
                easy_facts=self.easy_facts,
                easy_share=self.easy_share,
            ),
            held_out=[held[i] for i in range(self.held_out)],
            source={
                "data": "recall, training split",
                "seed": self.seed,
                "max_facts": self.max_facts,
                "easy_facts": self.easy_facts,
                "easy_share": self.easy_share,
            },
            stored=False,
        )


class RecallEpisodes:
    """The endless training split of ``bench=recall``, as a sequence of fixed length.

    The first ones are easy. A memory that meets every kind and number of statements at once learns
    which places were named, and stays there; from few statements it learns who is where.
    """

    def __init__(
        self, *, seed: int, size: int, max_facts: int, easy_facts: int, easy_share: float
    ) -> None:
        """``size`` dialogues of at most ``max_facts`` statements; see :class:`RecallData`."""
        self.seed, self.size, self.max_facts = seed, size, max_facts
        self.easy_facts, self.easy = easy_facts, int(size * easy_share)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Episode:
        from deltamem_evaluations.benchmarks.recall import training_dialogue

        if index < self.easy:
            made = training_dialogue(
                self.seed, index, max_facts=self.easy_facts, kinds=("single_hop",)
            )
        else:
            made = training_dialogue(self.seed, index, max_facts=self.max_facts)
        asks = tuple(
            Ask(visible=[{"role": "user", "content": q.text}], answer=q.answer)
            for q in made.questions[:4]
        )
        return Episode(id=f"recall-{self.seed}-{index}", written=made.messages, asks=asks)
