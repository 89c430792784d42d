"""Is B better than A on the same questions? Differences, with whole histories resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deltamem_evaluations.metrics.resampling import RESAMPLES, Histories, bootstrap

__all__ = ["McNemar", "Paired", "compare_scores", "holm", "mcnemar"]

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
    histories = Histories.of(second - first, clusters)
    found = bootstrap([histories], resamples=resamples)
    binary = set(first) | set(second) <= {0.0, 1.0}
    return Paired(
        a=float(first.mean()),
        b=float(second.mean()),
        effect=found.mean,
        ci95=(found.mean - found.half, found.mean + found.half),
        p=found.p,
        detectable=found.detectable,
        n=len(first),
        clusters=len(set(clusters)),
        resampled=histories.resampled,
        mcnemar=mcnemar(first, second) if binary else None,
    )


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
