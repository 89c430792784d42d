"""LoCoMo's token F1, worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltamem_evaluations.metrics.text import best_part_f1, stem_tokens, token_f1


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The cats, and a Dog!", ["cat", "dog"]),
        ("1,000 runners", ["1000", "runner"]),
        ("U.S.A.", ["usa"]),
        ("an apple and the pears", ["appl", "pear"]),
        ("Café", ["café"]),
        ("cafe\u0301 a\u0301", ["cafe\u0301", "a\u0301"]),
        ("", []),
        ("the", []),
    ],
)
def test_normalisation(text: str, tokens: list[str]) -> None:
    assert stem_tokens(text) == tokens


def test_the_authors_take_accents_apart() -> None:
    assert stem_tokens("Café á", decompose=True) == ["cafe\u0301", "a\u0301"]


def test_f1_by_hand() -> None:
    """Two of three predicted tokens are among four wanted: p = 2/3, r = 1/2, F1 = 4/7."""
    assert token_f1(["a", "b", "x"], ["a", "b", "c", "d"]) == pytest.approx(4 / 7)
    assert token_f1(["a", "a"], ["a"]) == pytest.approx(2 / 3)
    assert token_f1([], []) == token_f1(["a"], []) == token_f1(["a"], ["b"]) == 0.0


def test_parts_by_hand() -> None:
    """Wanted: {red car}, {boat}. Predicted: {boat}, {car}. Best: car 2/3, boat 1; mean 5/6."""
    assert best_part_f1("a boat, car", "red car, boat") == pytest.approx(5 / 6)
    assert best_part_f1("boat", "boat") == 1.0
    assert best_part_f1("", "boat") == best_part_f1("boat", ",") == 0.0


@given(st.text(max_size=30), st.text(max_size=30))
def test_scores_are_shares(one: str, other: str) -> None:
    assert 0.0 <= best_part_f1(one, other) <= 1.0
    score = token_f1(stem_tokens(one), stem_tokens(other))
    assert score == pytest.approx(token_f1(stem_tokens(other), stem_tokens(one)))
    assert 0.0 <= score <= 1.0
