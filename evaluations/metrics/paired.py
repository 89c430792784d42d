"""Is B better than A on the same questions? Differences, with whole histories resampled.

The interval is a symmetric studentised bootstrap over clusters: with the ten conversations of
LoCoMo a percentile bootstrap is too narrow, and one over questions far too narrow.

    d_g, n_g    sum of differences and number of questions of history g, of G
    theta       sum d_g / sum n_g
    se^2        G/(G-1) * sum (d_g - theta n_g)^2 / (sum n_g)^2
    interval    theta ± q * se, q the 95 % quantile of |theta* - theta| / se* over resamples
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluations.metrics.statistics import LEVEL, SEED, resampled_units

__all__ = ["McNemar", "Paired", "compare_scores", "holm", "mcnemar"]

RESAMPLES = 9999
POWER = 0.8
BLOCK = 500
"""Resamples held at once."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class McNemar:
    """The exact test of 0/1 scores; it takes questions for independent."""

    fixed: int
    """Wrong in A, right in B."""
    broken: int
    """Right in A, wrong in B."""
    p: float
    """Two-sided."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """B minus A."""

    a: float
    b: float
    effect: float
    ci95: tuple[float, float]
    p: float
    """Two-sided, of the studentised bootstrap."""
    detectable: float
    """The smallest effect that such a comparison finds with a power of 80 %."""
    n: int
    clusters: int
    resampled: str
    """``histories``, or ``questions`` where there is one history."""
    mcnemar: McNemar | None


def compare_scores(
    a: Sequence[float],
    b: Sequence[float],
    *,
    clusters: Sequence[str],
    resamples: int = RESAMPLES,
) -> Paired:
    """Compare two score lists of the same samples in the same order.

    Args:
        a: scores of the first.
        b: scores of the second.
        clusters: the history of each sample.
        resamples: of the bootstrap.

    Raises:
        ValueError: no samples, lists of different lengths, or a score that is not finite.
    """
    first, second = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if not len(first) or len(first) != len(second) or len(first) != len(clusters):
        raise ValueError(f"{len(first)}, {len(second)} scores and {len(clusters)} histories")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("a score is not finite")
    index, resampled = resampled_units(clusters)
    sums = np.bincount(index, weights=second - first).astype(float)
    effect, half, p, detectable = _bootstrap(sums, np.bincount(index).astype(float), resamples)
    binary = set(first) | set(second) <= {0.0, 1.0}
    return Paired(
        a=float(first.mean()),
        b=float(second.mean()),
        effect=effect,
        ci95=(effect - half, effect + half),
        p=p,
        detectable=detectable,
        n=len(first),
        clusters=len(set(clusters)),
        resampled=resampled,
        mcnemar=mcnemar(first, second) if binary else None,
    )


def _bootstrap(sums: Floats, counts: Floats, resamples: int) -> tuple[float, float, float, float]:
    """Effect, half width of its interval, p, detectable effect."""
    from scipy.stats import t as student

    total = len(sums)
    effect = float(sums.sum() / counts.sum())
    if total == 1:
        return effect, float("inf"), 1.0, float("inf")
    error = _error(sums, counts, np.ones((1, total)), np.array([effect]))[0]
    if error <= np.finfo(float).eps * max(1.0, abs(effect)):
        # every history differs by the same: what is left is the sign of each
        return effect, 0.0, 1.0 if effect == 0 else min(1.0, 2.0 ** (1 - total)), 0.0
    means, errors = _resampled(sums, counts, resamples)
    apart = np.abs(means - effect)
    # a draw without any spread says nothing about it: the data's own error stands in
    ratios = apart / np.where(errors > 0, errors, error)
    quantile = float(np.quantile(ratios, LEVEL, method="higher"))
    p = (1 + int((ratios >= abs(effect) / error).sum())) / (resamples + 1)
    detectable = (quantile + float(student.ppf(POWER, total - 1))) * error
    return effect, quantile * float(error), p, float(detectable)


def _resampled(sums: Floats, counts: Floats, resamples: int) -> tuple[Floats, Floats]:
    """Mean and standard error of each resample, drawn a block at a time: histories may be many."""
    total, generator = len(sums), np.random.default_rng(SEED)
    means, errors = [], []
    for start in range(0, resamples, BLOCK):
        size = min(BLOCK, resamples - start)
        draws = generator.multinomial(total, np.full(total, 1 / total), size=size)
        means.append((draws @ sums) / (draws @ counts))
        errors.append(_error(sums, counts, draws, means[-1]))
    return np.concatenate(means), np.concatenate(errors)


def _error(
    sums: Floats, counts: Floats, draws: NDArray[np.int64] | Floats, means: Floats
) -> Floats:
    """Standard error of a ratio of cluster sums, for each row of draws."""
    total = len(sums)
    spread = (sums - means[:, None] * counts) ** 2
    scale = total / (total - 1)
    return np.asarray(np.sqrt(scale * (draws * spread).sum(1)) / (draws @ counts))


def mcnemar(a: Sequence[float] | Floats, b: Sequence[float] | Floats) -> McNemar:
    """Exact two-sided McNemar test of paired 0/1 scores."""
    from scipy.stats import binomtest

    first, second = np.asarray(a), np.asarray(b)
    fixed, broken = int((second > first).sum()), int((second < first).sum())
    p = float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0
    return McNemar(fixed=fixed, broken=broken, p=p)


def holm(values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several (Holm, 1979), in the order given."""
    adjusted, largest = [0.0] * len(values), 0.0
    for rank, i in enumerate(sorted(range(len(values)), key=lambda i: values[i])):
        largest = max(largest, min(1.0, (len(values) - rank) * values[i]))
        adjusted[i] = largest
    return adjusted
