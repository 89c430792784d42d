"""Intervals: what is resampled, and that 95 % of them hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluations.metrics.statistics import cluster_interval, summarise


def test_means_and_groups_by_hand() -> None:
    metric = summarise([(1.0, "a", ("x",)), (0.0, "a", ("x", "y")), (1.0, "b", ("y",))])
    assert metric.mean == pytest.approx(2 / 3)
    assert (metric.n, metric.clusters, metric.resampled) == (3, 2, "histories")
    assert metric.groups["x"]["mean"] == 0.5
    assert metric.groups["y"]["n"] == 2
    with pytest.raises(ValueError, match="no scores"):
        summarise([])


def test_whole_clusters_are_resampled() -> None:
    """Ten conversations of 100 equal answers are ten observations, not a thousand."""
    rng = np.random.default_rng(0)
    levels = rng.random(10)
    values = np.repeat(levels, 100)
    low, high, _ = cluster_interval(values, [str(i) for i in range(10) for _ in range(100)])
    naive_low, naive_high, _ = cluster_interval(values, [str(i) for i in range(1000)])
    assert high - low > 5 * (naive_high - naive_low)
    error = levels.std(ddof=1) / 10**0.5
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.25)


def test_coverage_on_clustered_data() -> None:
    """Over 200 simulated benchmarks the 95 % interval holds the true mean about as often."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        levels = rng.normal(0.5, 0.2, size=40)
        values = np.repeat(levels, 5) + rng.normal(0, 0.2, size=200)
        low, high, _ = cluster_interval(values, [str(i) for i in range(40) for _ in range(5)])
        held += low <= 0.5 <= high
    # three binomial standard errors below 95 %
    assert held / 200 >= 0.95 - 3 * (0.95 * 0.05 / 200) ** 0.5


def test_one_history_resamples_questions_and_says_so() -> None:
    low, high, resampled = cluster_interval(np.array([0.0, 1.0, 1.0, 0.0]), ["a"] * 4)
    assert resampled == "questions"
    assert low < 0.5 < high


@settings(max_examples=50)
@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=20), clusters=st.integers(1, 5))
def test_intervals_hold_their_mean(values: list[float], clusters: int) -> None:
    names = [str(i % clusters) for i in range(len(values))]
    low, high, _ = cluster_interval(np.array(values), names)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert cluster_interval(np.array(values), names)[:2] == (low, high)
