"""Dialogues of ``bench=recall`` that the embedded backbone is pretrained on."""

from __future__ import annotations

import random

from deltamem_evaluations.benchmarks.recall.dialogues import (
    FILLERS,
    NAMES,
    PLACES,
    UNSEEN_NAMES,
    Dialogue,
    dialogue,
    is_in,
    is_with,
)
from deltamem_evaluations.generated import KINDS

__all__ = ["RecallDialogues", "tokenizer_texts"]

SPECIAL_KINDS_SHARE = 0.5
"""Share of two-hop and updated threads in a dialogue that is not plain."""


class RecallDialogues:
    """Names and places of all splits: the backbone has to be able to read every name."""

    names = (*NAMES, *UNSEEN_NAMES)
    places = PLACES

    def statement(self, name: str, place: str) -> str:
        """Who is where."""
        return is_in(name, place)

    def dialogue(self, rng: random.Random, facts: int, *, plain: bool) -> Dialogue:
        """``facts`` statements and up to three sentences that state nothing."""
        kinds: list[str] = []
        while facts:
            special = not plain and facts >= 2 and rng.random() < SPECIAL_KINDS_SHARE
            kinds.append(rng.choice(KINDS[1:]) if special else KINDS[0])
            facts -= 2 if special else 1
        return dialogue(rng, kinds, fillers=rng.randint(0, 3), names=self.names)


def tokenizer_texts() -> list[str]:
    """Text for the tokenizer, in which every word of the dialogues occurs as they have it."""
    words = [*NAMES, *UNSEEN_NAMES, *PLACES]
    sentences = [is_in(a, b) for a, b in zip(words, reversed(words), strict=True)]
    sentences += [is_with(a, b) for a, b in zip(words, reversed(words), strict=True)]
    sentences += [f"Where is {word} today?" for word in words]
    sentences += [f"Where is the friend of {word} today?" for word in words]
    return [*sentences, *FILLERS * 4, *["system\n", "user\n", "assistant\n"] * 4]
