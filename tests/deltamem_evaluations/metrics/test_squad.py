"""Span scores of SQuAD, HotpotQA and those behind the paper, by hand and against a slow oracle."""

from __future__ import annotations

import string
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltamem_evaluations.metrics.squad import hotpot_scores, normalise, paper_scores, squad_scores

WORDS = st.lists(
    st.sampled_from(["a", "The", "an", "cat", "Cat", "U.S.", "don't", "yes", "no", "-", "é"]),
    max_size=6,
).map(" ".join)


def slow_normalise(text: str) -> str:
    """The rule without regular expressions: punctuation out, then whole words that are articles."""
    kept = [c for c in text.lower() if c not in set(string.punctuation)]
    runs = ["".join(run) for _, run in groupby(kept, key=lambda c: c.isalnum())]
    return " ".join("".join(" " if run in ("a", "an", "the") else run for run in runs).split())


def slow_f1(prediction: str, reference: str) -> float:
    """Tokens struck out one by one; nothing in part for yes, no and noanswer."""
    one, other = slow_normalise(prediction), slow_normalise(reference)
    if one != other and ({one, other} & {"yes", "no", "noanswer"}):
        return 0.0
    left, shared = other.split(), 0
    for token in one.split():
        if token in left:
            left.remove(token)
            shared += 1
    lengths = len(one.split()) + len(other.split())
    return 2 * shared / lengths if shared else 0.0


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The U.S.A.,  a  state", "usa state"),
        ("don't", "dont"),
        ("1,000", "1000"),
        ("snake_case", "snakecase"),
        ("Anna's theory: an\tessay", "annas theory essay"),
        ("Beyoncé’s", "beyoncé’s"),
        ("ein Ärger über Öl", "ein ärger über öl"),
        ("東京、日本", "東京、日本"),
        ("A", ""),
        ("", ""),
    ],
)
def test_normalisation(text: str, normal: str) -> None:
    """Only ASCII punctuation goes; an article is a whole word."""
    assert normalise(text) == normal
    assert slow_normalise(text) == normal


@pytest.mark.parametrize(
    ("prediction", "reference", "hotpot", "paper"),
    [
        ("yes", "Yes.", (1, 1), (1, 1)),
        ("yes they are", "yes", (0, 0), (0, 1 / 2)),
        ("no", "no evidence", (0, 0), (0, 2 / 3)),
        ("noanswer", "no answer", (0, 0), (0, 0)),
        ("yes yes", "yes", (0, 0), (0, 2 / 3)),
        ("yes they are", "they", (0, 1 / 2), (0, 1 / 2)),
        ("The U.S.A.", "USA", (1, 1), (0, 0)),
        ("U.S.A.", "U.S.", (0, 0), (1, 1)),
        ("a 1,000 men", "1000 men", (1, 1), (0, 2 / 5)),
        ("Don't", "dont", (1, 1), (0, 0)),
        ("snake_case", "snake case", (0, 0), (0, 0)),
        ("snake_case", "snakecase", (1, 1), (0, 0)),
        ("York, England", "York England", (1, 1), (1, 1)),
        ("York-England", "York England", (0, 0), (1, 1)),
        ("Beyoncé", "beyoncé", (1, 1), (1, 1)),
        ("red car", "the red, old car", (0, 4 / 5), (0, 4 / 5)),
        ("red red", "red", (0, 2 / 3), (0, 2 / 3)),
        ("", "Oslo", (0, 0), (0, 0)),
        ("", "The", (1, 0), (1, 1)),
        ("", "", (1, 0), (1, 1)),
    ],
)
def test_scores_by_hand(
    prediction: str, reference: str, hotpot: tuple[float, float], paper: tuple[float, float]
) -> None:
    """("a 1,000 men", "1000 men"), paper: {1, 000, men} and {1000, men} share one, 2·1/(3+2)."""
    assert hotpot_scores(prediction, reference) == pytest.approx(
        dict(zip(("em", "f1"), hotpot, strict=True))
    )
    assert paper_scores(prediction, reference) == pytest.approx(
        dict(zip(("em", "f1"), paper, strict=True))
    )


@given(WORDS | st.text(max_size=12), WORDS | st.text(max_size=12))
def test_against_the_slow_rule(prediction: str, reference: str) -> None:
    assert normalise(prediction) == slow_normalise(prediction)
    scores = hotpot_scores(prediction, reference)
    assert scores["em"] == (slow_normalise(prediction) == slow_normalise(reference))
    assert scores["f1"] == pytest.approx(slow_f1(prediction, reference))


@given(st.text(max_size=12), st.text(max_size=12))
def test_scores_are_symmetric_shares(one: str, other: str) -> None:
    for scores in (hotpot_scores, paper_scores):
        assert scores(one, other) == pytest.approx(scores(other, one))
        assert 0.0 <= scores(one, other)["f1"] <= 1.0
        assert scores(one, one)["em"] == 1.0


@pytest.mark.parametrize(
    ("prediction", "references", "em", "f1"),
    [
        ("The U.S.A.", ["USA"], 1, 1),
        ("yes they are", ["yes"], 0, 1 / 2),
        ("in France", ["Normandy", "France"], 0, 2 / 3),
        ("France", ["in France", "France"], 1, 1),
        ("10th and 11th", ["10th and 11th centuries", "in the 10th and 11th"], 0, 6 / 7),
        ("Rollo", ["Rollo", "Rollo."], 1, 1),
        ("red red", ["red", "red red red"], 0, 4 / 5),
        ("", ["France"], 0, 0),
        ("the", ["France"], 0, 0),
        ("", [], 1, 1),
        ("An", [], 1, 1),
        ("France", [], 0, 0),
        ("a", ["A", "letter"], 0, 0),
        ("a", ["A"], 1, 1),
    ],
)
def test_the_best_of_several_references(
    prediction: str, references: list[str], em: float, f1: float
) -> None:
    """By hand, with SQuAD 2.0's rules for what has no answer.

    ("10th and 11th", …): {10th, and, 11th} of {10th, and, 11th, centuries} is 6/7, and of {in,
    10th, and, 11th} as well. ("a", ["A", "letter"]): a reference of which nothing is left is none.
    """
    assert squad_scores(prediction, references) == pytest.approx({"em": em, "f1": f1})


def official_scores(prediction: str, references: list[str]) -> dict[str, float]:
    """SQuAD 2.0's script, written anew with multisets that are struck out one by one."""
    golds = [gold for gold in references if slow_normalise(gold)] or [""]

    def f1(gold: str) -> float:
        wanted, said = slow_normalise(gold).split(), slow_normalise(prediction).split()
        if not wanted or not said:
            return float(wanted == said)
        left, shared = list(wanted), 0
        for token in said:
            if token in left:
                left.remove(token)
                shared += 1
        if not shared:
            return 0.0
        precision, recall = shared / len(said), shared / len(wanted)
        return 2 * precision * recall / (precision + recall)

    exact = max(float(slow_normalise(gold) == slow_normalise(prediction)) for gold in golds)
    return {"em": exact, "f1": max(map(f1, golds))}


@given(WORDS | st.text(max_size=12), st.lists(WORDS | st.text(max_size=12), max_size=3))
def test_against_the_official_rule(prediction: str, references: list[str]) -> None:
    assert squad_scores(prediction, references) == pytest.approx(
        official_scores(prediction, references)
    )
