"""The number of bits that a state holds, fitted to accuracy against the number of facts.

Each of n facts has one of v values, all alike likely; one of them is asked for. Where answers are
right with probability p and errors are spread over the other values alike, an answer tells

    I(p) = log2 v - h(p) - (1 - p) log2(v - 1)      h the binary entropy, I = 0 up to p = 1/v

bits of its fact: by Fano's inequality the least that any state must hold of it. A state of B bits
that are divided among the facts alike has

    I(p(n)) = min(log2 v, B / n)

so that accuracy is 1 up to n = B / log2 v, and n I(p) is constant, B, beyond: the plateau. B is the
number that fits the measured p(n) with the least squared error, every number of facts weighted by
its questions. Its interval is the percentile one over resampled histories, drawn inside each number
of facts. Where all answers are right, B is only known to be at least n log2 v of the largest n.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deltamem_evaluations.metrics.resampling import LEVEL, SEED, Histories

__all__ = ["Capacity", "Curve", "accuracy_of", "fit_capacity", "information"]

RESAMPLES = 999
GRID = 2001
"""Capacities that are tried, and accuracies between which the inverse of I is interpolated."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """Scores at one number of facts."""

    facts: int
    scores: Histories
    """Sums and numbers of 0/1 scores of each history."""


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Fitted bits of a state, with a 95 % interval."""

    bits: float
    low: float
    high: float
    at_least: bool
    """Whether the largest number of facts was too small to find its end."""


def information(p: float, *, values: int) -> float:
    """Bits that an answer tells of its fact; see the module.

    Args:
        p: probability that it is right.
        values: number of values that a fact can have.
    """
    if p <= 1 / values:
        return 0.0
    if p >= 1:
        return math.log2(values)
    entropy = -p * math.log2(p) - (1 - p) * math.log2(1 - p)
    return math.log2(values) - entropy - (1 - p) * math.log2(values - 1)


def accuracy_of(bits: float, facts: int, *, values: int) -> float:
    """Accuracy of a state that holds ``bits``, asked about one of ``facts``."""
    return float(_accuracies(np.array([bits]), facts, values)[0])


def fit_capacity(curve: Sequence[Curve], *, values: int) -> Capacity:
    """The bits that a state holds.

    Args:
        curve: scores by number of facts.
        values: number of values that a fact can have.

    Raises:
        ValueError: no scores, or fewer than two values.
    """
    if not curve or values < 2:
        raise ValueError(f"{len(curve)} numbers of facts with {values} values")
    most = max(one.facts for one in curve) * math.log2(values)
    grid = np.linspace(0, most, GRID)
    models = np.stack([_accuracies(grid, one.facts, values) for one in curve])
    weights = np.array([one.scores.counts.sum() for one in curve])
    generator = np.random.default_rng(SEED)
    measured = np.array([[one.scores.sums.sum() / one.scores.counts.sum()] for one in curve])
    drawn = np.stack([_resampled(one.scores, generator) for one in curve])
    bits = float(_fitted(measured, models, weights, grid)[0])
    low, high = np.quantile(
        _fitted(drawn, models, weights, grid), [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    )
    return Capacity(bits=bits, low=float(low), high=float(high), at_least=bits >= most)


def _accuracies(bits: Floats, facts: int, values: int) -> Floats:
    accuracies = np.linspace(1 / values, 1, GRID)
    told = np.array([information(p, values=values) for p in accuracies])
    return np.interp(np.minimum(bits / facts, math.log2(values)), told, accuracies)


def _resampled(scores: Histories, generator: np.random.Generator) -> Floats:
    """(RESAMPLES) mean accuracy of each draw of histories."""
    total = len(scores.sums)
    draws = generator.multinomial(total, np.full(total, 1 / total), size=RESAMPLES)
    return np.asarray((draws @ scores.sums) / (draws @ scores.counts))


def _fitted(measured: Floats, models: Floats, weights: Floats, grid: Floats) -> Floats:
    """(draws) the capacity of least squared error for accuracies (numbers, draws)."""
    chosen = [
        int(np.argmin(weights @ (models - accuracies[:, None]) ** 2)) for accuracies in measured.T
    ]
    return grid[chosen]
