"""Means over questions and groups: by hand, and never outside of what scores can be."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltamem_evaluations.metrics.resampling import KIND
from deltamem_evaluations.metrics.statistics import (
    EXACT,
    ScoredQuestion,
    mean_over_groups,
    summarise,
)


def question(score: float, history: str, *groups: str) -> ScoredQuestion:
    return ScoredQuestion(score=score, history=history, groups=groups)


def test_means_and_groups_by_hand() -> None:
    metric = summarise([question(1, "a", "x"), question(0, "a", "x", "y"), question(1, "b", "y")])
    assert metric.mean == pytest.approx(2 / 3)
    assert (metric.n, metric.clusters, metric.resampled) == (3, 2, "histories")
    assert metric.interval == KIND
    assert metric.groups["x"].mean == 0.5
    assert metric.groups["y"].n == 2
    for average in (summarise, mean_over_groups):
        with pytest.raises(ValueError, match="no scores"):
            average([])


def test_histories_that_are_all_right_or_all_wrong() -> None:
    """Ten of ten: Clopper and Pearson's lower end is 0.025 to the tenth root, 0.6915."""
    right = summarise([question(1, str(i), "x") for i in range(10) for _ in range(5)])
    assert (right.mean, right.interval) == (1.0, EXACT)
    assert right.ci95 == (pytest.approx(0.025**0.1), 1.0)
    assert right.groups["x"].lo == pytest.approx(0.6915, abs=5e-5)
    wrong = summarise([question(0, str(i)) for i in range(10)])
    assert wrong.ci95 == (0.0, pytest.approx(1 - 0.025**0.1))


def test_a_single_question_may_be_anything() -> None:
    assert summarise([question(0.4, "a")]).ci95 == (0.0, 1.0)


def test_the_mean_over_groups() -> None:
    """Group means 1 and 1/3 average to 2/3, whatever their sizes; one history in b: questions."""
    scores = [question(1, "h1", "a"), question(1, "h3", "a")]
    scores += [question(s, "h2", "b") for s in (0, 0, 1)]
    metric = mean_over_groups(scores)
    assert metric.mean == pytest.approx(2 / 3)
    assert (metric.n, metric.clusters, metric.resampled) == (5, 3, "questions")
    assert metric.groups["b"].mean == pytest.approx(1 / 3)
    assert mean_over_groups([*scores, question(1, "h4", "b")]).resampled == "histories"


def test_one_group_is_the_plain_mean() -> None:
    rng = random.Random(0)
    scores = [question(float(rng.random() < 0.4), f"h{i % 7}", "a") for i in range(60)]
    assert mean_over_groups(scores) == summarise(scores)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=20), clusters=st.integers(1, 5))
def test_intervals_hold_their_mean(values: list[float], clusters: int) -> None:
    metric = summarise([question(v, str(i % clusters)) for i, v in enumerate(values)])
    low, high = metric.ci95
    assert 0 <= low <= metric.mean + 1e-9
    assert metric.mean - 1e-9 <= high <= 1
