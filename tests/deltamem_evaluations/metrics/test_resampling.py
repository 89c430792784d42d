"""Intervals: against a loop, by hand, and that 95 % of them hold the truth."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import mean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltamem_evaluations.metrics.resampling import Histories, bootstrap

LOOPED = 1500
LOOP = 0.12
"""Share of its width by which two bootstraps of 1,500 and 9,999 draws may differ: the 95 %
quantile of the ratios has a standard error of about 3 % in the former."""
TRIALS = 400
COVERED = (0.915, 0.985)
"""Of 95 % intervals in 400 trials: three binomial standard errors (1.1 %) on either side."""


def studentised_in_a_loop(strata: Sequence[Sequence[Sequence[float]]]) -> float:
    """Half the width, history by history and draw by draw. Strata of histories of values."""
    rng = random.Random(1)

    def estimate(histories: Sequence[Sequence[float]]) -> tuple[float, float]:
        values = [v for h in histories for v in h]
        theta, size = mean(values), len(histories)
        spread = sum((sum(h) - theta * len(h)) ** 2 for h in histories)
        return theta, math.sqrt(size / (size - 1) * spread) / len(values)

    def whole(parts: Sequence[Sequence[Sequence[float]]]) -> tuple[float, float]:
        found = [estimate(p) for p in parts]
        error = math.sqrt(sum(e**2 for _, e in found)) / len(parts)
        return mean(t for t, _ in found), error

    theta, error = whole(strata)
    ratios = []
    for _ in range(LOOPED):
        drawn, spread = whole([rng.choices(p, k=len(p)) for p in strata])
        ratios.append(abs(drawn - theta) / (spread or error))
    return sorted(ratios)[math.ceil(0.95 * LOOPED) - 1] * error


def of(histories: Sequence[Sequence[float]]) -> Histories:
    return Histories.of(
        [v for h in histories for v in h], [str(i) for i, h in enumerate(histories) for _ in h]
    )


@pytest.mark.parametrize("sizes", [[8], [6, 4]])
def test_against_a_loop(sizes: list[int]) -> None:
    rng = random.Random(2)
    strata = [
        [[float(rng.random() < 0.6) for _ in range(rng.randint(2, 6))] for _ in range(size)]
        for size in sizes
    ]
    found = bootstrap([of(stratum) for stratum in strata])
    assert found.mean == pytest.approx(mean(mean(v for h in s for v in h) for s in strata))
    assert found.half == pytest.approx(studentised_in_a_loop(strata), rel=LOOP)


def gaussian(rng: np.random.Generator, clusters: int) -> tuple[list[float], list[str]]:
    values, names = [], []
    for g in range(clusters):
        shared = rng.normal(0.5, 0.15)
        size = int(rng.integers(20, 60))
        values += list(shared + rng.normal(0, 0.2, size=size))
        names += [str(g)] * size
    return values, names


def right_or_wrong(rng: np.random.Generator, clusters: int) -> tuple[list[float], list[str]]:
    """Histories differ in how hard they are: shares from a beta distribution of mean a half."""
    values, names = [], []
    for g in range(clusters):
        share, size = rng.beta(4, 4), 30
        values += [float(x) for x in rng.random(size) < share]
        names += [str(g)] * size
    return values, names


@pytest.mark.parametrize("clusters", [10, 40])
@pytest.mark.parametrize("simulate", [gaussian, right_or_wrong])
def test_coverage_on_clustered_data(
    simulate: Callable[[np.random.Generator, int], tuple[list[float], list[str]]], clusters: int
) -> None:
    """A percentile bootstrap held it in 88 and 91 of 100 at ten histories, ours in 95 and 96."""
    rng = np.random.default_rng(1)
    held = naive = 0
    for _ in range(TRIALS):
        values, names = simulate(rng, clusters)
        found = bootstrap([Histories.of(values, names)], resamples=999)
        held += abs(found.mean - 0.5) <= found.half
        naive += abs(np.mean(values) - 0.5) <= 1.96 * np.std(values) / math.sqrt(len(values))
    low, high = COVERED
    assert low < held / TRIALS < high
    assert naive / TRIALS < low


def test_whole_histories_are_resampled() -> None:
    """Ten conversations of 100 equal answers are ten observations, not a thousand."""
    levels = np.random.default_rng(0).random(10)
    values = np.repeat(levels, 100)
    found = bootstrap([Histories.of(values, [str(i) for i in range(10) for _ in range(100)])])
    naive = bootstrap([Histories.of(values, [str(i) for i in range(1000)])])
    assert found.half > 5 * naive.half
    # the 97.5 % quantile of Student's distribution with nine degrees of freedom, within a fifth
    assert found.half == pytest.approx(2.26 * levels.std(ddof=1) / 10**0.5, rel=0.2)


def test_one_history_resamples_questions_and_says_so() -> None:
    histories = Histories.of([0.0, 1.0, 1.0, 0.0], ["a"] * 4)
    assert histories.resampled == "questions"
    assert 0 < bootstrap([histories]).half < math.inf


def test_what_has_no_interval() -> None:
    assert bootstrap([Histories.of([0.5], ["a"])]).half == math.inf
    assert bootstrap([of([[1.0], [0.0]]), of([[1.0]])]).half == math.inf
    for values, names in ([], []), ([1.0], ["a", "b"]):
        with pytest.raises(ValueError, match="scores of"):
            Histories.of(values, names)


@settings(max_examples=50, deadline=None)
@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=20), clusters=st.integers(1, 5))
def test_the_same_twice(values: list[float], clusters: int) -> None:
    histories = [Histories.of(values, [str(i % clusters) for i in range(len(values))])]
    assert bootstrap(histories, resamples=99) == bootstrap(histories, resamples=99)
