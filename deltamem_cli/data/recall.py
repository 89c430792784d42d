"""Training data for the loop: what the configs of ``training=`` name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltamem.errors import InvalidInput
from deltamem.training import Ask, Episode, Episodes, read_episodes

__all__ = ["TrainingData", "jsonl_episodes", "recall_episodes"]

HELD_OUT_SEED = 1
"""Offset of the world's seed for the held-out dialogues of the training split."""


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """What is trained on, what is held out, and where both come from."""

    episodes: Episodes[Episode]
    held_out: Sequence[Episode]
    source: dict[str, Any]


class RecallEpisodes:
    """The endless training split of ``bench=recall``, as a sequence of fixed length.

    The first ones are easy. A memory that meets every kind and number of statements at once learns
    which places were named, and stays there; from few statements it learns who is where.
    """

    def __init__(
        self, *, seed: int, size: int, max_facts: int, easy_facts: int, easy_share: float
    ) -> None:
        """``size`` dialogues of at most ``max_facts`` statements; see :func:`recall_episodes`."""
        self.seed, self.size, self.max_facts = seed, size, max_facts
        self.easy_facts, self.easy = easy_facts, int(size * easy_share)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Episode:
        from evaluations.recall import training_dialogue

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


def recall_episodes(
    *,
    size: int,
    seed: int,
    max_facts: int,
    held_out: int,
    easy_facts: int,
    easy_share: float,
) -> TrainingData:
    """Dialogues made afresh, each with up to four of its questions.

    Args:
        size: number of training dialogues; none is seen twice.
        seed: of the world.
        max_facts: statements in a dialogue at most.
        held_out: number of dialogues that are only evaluated on, of every kind and number.
        easy_facts: statements at most in the easy dialogues, which have single-hop questions only.
        easy_share: which part of the dialogues, from the first on, is easy; 0 to 1.

    Raises:
        InvalidInput: ``easy_share`` outside 0 to 1.
    """
    if not 0.0 <= easy_share <= 1.0:
        raise InvalidInput(f"training.data.easy_share is {easy_share}; it must lie in 0 to 1")
    held = RecallEpisodes(
        seed=seed + HELD_OUT_SEED, size=held_out, max_facts=max_facts, easy_facts=1, easy_share=0.0
    )
    return TrainingData(
        episodes=RecallEpisodes(
            seed=seed, size=size, max_facts=max_facts, easy_facts=easy_facts, easy_share=easy_share
        ),
        held_out=[held[i] for i in range(held_out)],
        source={
            "data": "recall, training split",
            "seed": seed,
            "max_facts": max_facts,
            "easy_facts": easy_facts,
            "easy_share": easy_share,
        },
    )


def jsonl_episodes(*, path: str, held_out: int) -> TrainingData:
    """Episodes from a file; the last ``held_out`` lines are only evaluated on.

    Raises:
        InvalidInput: a bad line, or too few of them.
    """
    from evaluations.datafile import sha256_of

    episodes = read_episodes(Path(path).expanduser())
    if len(episodes) <= held_out:
        raise InvalidInput(
            f"{path} has {len(episodes)} episodes and training.data.held_out={held_out} leaves "
            "none to train on"
        )
    split = len(episodes) - held_out
    return TrainingData(
        episodes=episodes[:split],
        held_out=episodes[split:],
        source={"data": Path(path).name, "sha256": sha256_of(Path(path)), "episodes": split},
    )
