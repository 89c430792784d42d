"""Surprisal against one forward per token, and what is kept by it, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from deltamem_baselines.llmlingua2.teacher import Surprisal, kept_words, word_surprisals

CLOSE = 1e-4
"""Nats: float32 forwards of other lengths and with padding beside them."""
TEXTS = ("Today Ada is in Oslo.", "The bus was late, wasn't it?", "Tea", "Ben\n\nBen Ben 42 Ω!")


def one_by_one(backbone: Any, text: str, *, window: int) -> list[float]:
    """-log p of each token, each from a forward of all that is before it in its window."""
    opening = backbone.render([{"role": "user", "content": "Zebra"}]).text.partition("Zebra")[0]
    before = backbone.tokenizer(opening, add_special_tokens=False).input_ids
    ids = backbone.tokenizer(text, add_special_tokens=False).input_ids
    room, values = window - len(before), []
    for i, token in enumerate(ids):
        prompt = [*before, *ids[i - i % room : i]]
        with torch.no_grad():
            logits = backbone.model(input_ids=torch.tensor([prompt])).logits[0, -1]
        values.append(-float(logits.double().log_softmax(-1)[token]))
    return values


@pytest.mark.parametrize("window", [512, 9])
def test_surprisal_is_that_of_one_forward_per_token(tiny: Any, window: int) -> None:
    found = Surprisal(replace(tiny, window=window))(TEXTS)
    for text, tokens in zip(TEXTS, found, strict=True):
        wanted = one_by_one(tiny, text, window=window)
        assert [value for _, value in tokens] == pytest.approx(wanted, abs=CLOSE)
        spans = tiny.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        assert [span for span, _ in tokens] == spans["offset_mapping"]


def test_a_word_has_the_sum_over_the_tokens_that_begin_in_it() -> None:
    text = "To day, ok"
    words = [(0, 2), (3, 6), (6, 7), (8, 10)]
    tokens = [((0, 2), 1.0), ((2, 5), 2.0), ((5, 7), 4.0), ((7, 8), 8.0), ((7, 9), 16.0)]
    # " da" begins in "day", "y," too; " " alone is nobody's, " o" begins in "ok"
    assert word_surprisals(text, words, tokens) == [1.0, 6.0, 0.0, 16.0]


def test_the_share_with_the_most_is_kept_of_equals_the_earlier() -> None:
    assert kept_words([1.0, 3.0, 2.0, 0.0], 0.5) == [False, True, True, False]
    assert kept_words([1.0, 1.0, 1.0], 0.5) == [True, True, False]
    assert kept_words([5.0], 0.1) == [True]
    assert kept_words([], 0.5) == []
