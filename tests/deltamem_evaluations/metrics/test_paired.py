"""Paired comparison: its level under a clustered null, its power, and its parts by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel

from deltamem_evaluations.metrics.paired import compare_scores, holm, mcnemar

TRIALS = 400
QUICK = 999
LEVEL_LIMITS = (0.02, 0.085)
"""Of a 5 % test in 400 trials: 5 % ± 3 binomial standard errors (1.1 %)."""


def simulate(
    rng: np.random.Generator, *, clusters: int, effect: float, per: tuple[int, int] = (20, 60)
) -> tuple[list[float], list[float], list[str]]:
    """Scores whose difference has a part that all questions of a history share."""
    a, b, names = [], [], []
    for g in range(clusters):
        shared = rng.normal(0, 0.15)
        for _ in range(int(rng.integers(*per))):
            base = rng.normal(0.5, 0.3)
            a.append(base)
            b.append(base + shared + effect + rng.normal(0, 0.2))
            names.append(f"history {g}")
    return a, b, names


@pytest.mark.parametrize("clusters", [10, 40])
def test_false_positives_under_a_clustered_null(clusters: int) -> None:
    rng = np.random.default_rng(1)
    ours = naive = 0
    for _ in range(TRIALS):
        a, b, names = simulate(rng, clusters=clusters, effect=0.0)
        ours += compare_scores(a, b, clusters=names, resamples=QUICK).p < 0.05
        naive += ttest_rel(a, b).pvalue < 0.05
    low, high = LEVEL_LIMITS
    assert low < ours / TRIALS < high
    assert naive / TRIALS > 0.3


def test_intervals_cover_the_effect_and_power_is_as_stated() -> None:
    rng = np.random.default_rng(2)
    # standard error of a mean over 40 histories, from the simulation's own spreads
    stated = 2.9 * math.sqrt((0.15**2 + 0.2**2 / 40) / 40)
    found = covered = 0
    for _ in range(TRIALS):
        a, b, names = simulate(rng, clusters=40, effect=stated)
        result = compare_scores(a, b, clusters=names, resamples=QUICK)
        found += result.p < 0.05
        covered += result.ci95[0] <= stated <= result.ci95[1]
        if abs(result.p - 0.05) > 1 / QUICK:
            assert (result.p < 0.05) == (not result.ci95[0] <= 0 <= result.ci95[1])
    assert 0.7 < found / TRIALS < 0.9
    assert 0.91 < covered / TRIALS < 0.98


def test_the_detectable_effect_is_about_what_80_percent_find() -> None:
    rng = np.random.default_rng(3)
    a, b, names = simulate(rng, clusters=40, effect=0.0)
    result = compare_scores(a, b, clusters=names)
    assert 0.04 < result.detectable < 0.11
    assert result.detectable > (result.ci95[1] - result.ci95[0]) / 2


def test_by_hand() -> None:
    a = [0, 0, 1, 1, 0, 1]
    b = [1, 0, 1, 0, 1, 1]
    result = compare_scores(a, b, clusters=["x", "x", "y", "y", "z", "z"])
    assert (result.a, result.b) == (0.5, pytest.approx(4 / 6))
    assert result.effect == pytest.approx(1 / 6)
    assert (result.n, result.clusters, result.resampled) == (6, 3, "histories")
    assert result.mcnemar is not None
    assert (result.mcnemar.fixed, result.mcnemar.broken) == (2, 1)
    assert result.mcnemar.p == pytest.approx(1.0)


def test_mcnemar_is_a_sign_test_of_the_flips() -> None:
    done = mcnemar([0] * 9 + [1], [1] * 9 + [0])
    assert done.p == pytest.approx(2 * (1 + 10) / 2**10)


def test_nothing_differs() -> None:
    result = compare_scores([0.5, 1.0], [0.5, 1.0], clusters=["x", "y"])
    assert (result.effect, result.ci95, result.p) == (0.0, (0.0, 0.0), 1.0)


def test_everything_differs_by_the_same() -> None:
    names = [str(i) for i in range(8)]
    result = compare_scores([0.0] * 8, [1.0] * 8, clusters=names)
    assert (result.effect, result.p) == (1.0, 2 / 2**8)


def test_one_history_resamples_questions() -> None:
    result = compare_scores([0, 1, 0, 1.0], [1, 1, 0, 1.0], clusters=["x"] * 4)
    assert (result.clusters, result.resampled) == (1, "questions")
    assert math.isfinite(result.ci95[0])


def test_scores_without_an_interval() -> None:
    result = compare_scores([0.0], [1.0], clusters=["x"])
    assert result.ci95 == (-math.inf, math.inf)
    assert result.p == 1.0


@pytest.mark.parametrize(
    ("a", "b", "clusters"),
    [([], [], []), ([1.0], [1.0, 0.0], ["x"]), ([math.nan], [1.0], ["x"])],
)
def test_what_cannot_be_compared(a: list[float], b: list[float], clusters: list[str]) -> None:
    with pytest.raises(ValueError, match="score"):
        compare_scores(a, b, clusters=clusters)


@given(
    rows=st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.sampled_from("abcde")),
        min_size=2,
        max_size=30,
    )
)
def test_swapping_turns_the_sign(rows: list[tuple[float, float, str]]) -> None:
    a, b, names = ([row[i] for row in rows] for i in range(3))
    one = compare_scores(a, b, clusters=names, resamples=QUICK)
    other = compare_scores(b, a, clusters=names, resamples=QUICK)
    assert one.effect == pytest.approx(-other.effect)
    assert one.p == pytest.approx(other.p, abs=1e-3)
    assert 0 < one.p <= 1


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []
