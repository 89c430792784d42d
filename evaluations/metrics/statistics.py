"""Means with their uncertainty.

Questions about one history are not independent, so whole histories (clusters) are resampled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Metric", "cluster_interval", "resampled_units", "summarise"]

RESAMPLES = 2000
SEED = 20260524
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A mean over samples, with a 95 % interval."""

    mean: float
    ci95: tuple[float, float]
    n: int
    clusters: int
    resampled: str
    """What the interval resamples: ``histories``, or ``questions`` where there is one history."""
    groups: dict[str, dict[str, float]] = field(default_factory=dict)
    """Group -> ``mean``, ``n`` and the ends of its interval, ``lo`` and ``hi``."""


def summarise(scores: Sequence[tuple[float, str, tuple[str, ...]]]) -> Metric:
    """Aggregate (score, cluster, groups) of samples.

    Raises:
        ValueError: there are no scores.
    """
    if not scores:
        raise ValueError("no scores to summarise")
    values = np.array([score for score, _, _ in scores], dtype=float)
    clusters = [cluster for _, cluster, _ in scores]
    low, high, resampled = cluster_interval(values, clusters)
    groups: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(g for _, _, names in scores for g in names):
        inside = np.array([name in names for _, _, names in scores])
        part = [c for c, yes in zip(clusters, inside, strict=True) if yes]
        lo, hi, _ = cluster_interval(values[inside], part)
        groups[name] = {
            "mean": float(values[inside].mean()),
            "n": int(inside.sum()),
            "lo": lo,
            "hi": hi,
        }
    return Metric(
        mean=float(values.mean()),
        ci95=(low, high),
        n=len(values),
        clusters=len(set(clusters)),
        resampled=resampled,
        groups=groups,
    )


def resampled_units(clusters: Sequence[str]) -> tuple[NDArray[np.intp], str]:
    """Which unit each value is resampled with: its cluster, or itself where there is one cluster.

    Returns:
        The number of each value's unit, and what the units are (``histories`` or ``questions``).
    """
    names, index = np.unique(np.asarray(clusters), return_inverse=True)
    if len(names) == 1:
        return np.arange(len(clusters), dtype=np.intp), "questions"
    return index.astype(np.intp), "histories"


def cluster_interval(
    values: NDArray[np.float64], clusters: Sequence[str]
) -> tuple[float, float, str]:
    """Percentile bootstrap of the mean over clusters; over values where there is one cluster.

    Returns:
        Low end, high end, and what was resampled (``histories`` or ``questions``).
    """
    index, resampled = resampled_units(clusters)
    sums = np.bincount(index, weights=values)
    counts = np.bincount(index)
    draws = np.random.default_rng(SEED).multinomial(
        len(sums), np.full(len(sums), 1 / len(sums)), size=RESAMPLES
    )
    means = (draws @ sums) / (draws @ counts)
    edge = 100 * (1 - LEVEL) / 2
    low, high = np.percentile(means, [edge, 100 - edge])
    return float(low), float(high), resampled
