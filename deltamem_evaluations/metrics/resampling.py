"""How far a mean over questions can be trusted: whole histories are resampled.

Questions about one history are not independent. With the ten conversations of LoCoMo a percentile
bootstrap over histories is too narrow, and one over questions far too narrow, so the interval is
that of a symmetric studentised bootstrap over histories:

    d_g, n_g    sum of values and number of questions of history g, of G
    theta       sum d_g / sum n_g
    se^2        G/(G-1) * sum (d_g - theta n_g)^2 / (sum n_g)^2
    interval    theta ± q * se, q the 95 % quantile of |theta* - theta| / se* over resamples

A mean over strata (the competencies of MemoryAgentBench) resamples inside each of them; theta is
then the mean of the strata's, and se^2 the sum of theirs over the squared number of strata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["KIND", "LEVEL", "Bootstrap", "Histories", "bootstrap"]

KIND = "studentised cluster bootstrap"
"""Name of the interval, as records give it."""
LEVEL = 0.95
POWER = 0.8
RESAMPLES = 9999
SEED = 20260524
BLOCK = 500
"""Resamples held at once."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Histories:
    """Values of questions, added up by what is resampled together."""

    sums: Floats
    """(G) sum of the values of each unit."""
    counts: Floats
    """(G) number of values of each unit."""
    resampled: str
    """``histories``, or ``questions`` where all are about one history."""

    @classmethod
    def of(cls, values: Sequence[float] | Floats, clusters: Sequence[str]) -> Histories:
        """The values of questions by their histories; each for itself where there is one history.

        Raises:
            ValueError: no values, or not as many as there are names of histories.
        """
        if not len(values) or len(values) != len(clusters):
            raise ValueError(f"{len(values)} scores of {len(clusters)} questions")
        names, index = np.unique(np.asarray(clusters), return_inverse=True)
        several = len(names) > 1
        index = index if several else np.arange(len(clusters))
        return cls(
            sums=np.bincount(index, weights=np.asarray(values, dtype=float)).astype(float),
            counts=np.bincount(index).astype(float),
            resampled="histories" if several else "questions",
        )

    def draw(self, generator: np.random.Generator, size: int) -> NDArray[np.int64]:
        """(size, G) number of times that each unit is in each of ``size`` resamples."""
        total = len(self.sums)
        return generator.multinomial(total, np.full(total, 1 / total), size=size)

    def means(self, draws: NDArray[np.int64]) -> Floats:
        """(size) mean of the values of each resample."""
        return np.asarray((draws @ self.sums) / (draws @ self.counts))


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """A mean, and what resampling says of it."""

    mean: float
    half: float
    """Half the width of the 95 % interval; infinite where nothing can be resampled."""
    p: float
    """Two-sided, of the mean being 0."""
    detectable: float
    """The smallest mean that is told from 0 with a power of 80 %."""


def bootstrap(strata: Sequence[Histories], *, resamples: int = RESAMPLES) -> Bootstrap:
    """The mean over strata of the mean inside each, with its interval.

    Args:
        strata: one for a plain mean.
        resamples: at least as many as the quantile needs; 9,999 unless many tests are made.
    """
    from scipy.stats import t as student

    mean = float(np.mean([s.sums.sum() / s.counts.sum() for s in strata]))
    if any(len(s.sums) == 1 for s in strata):
        return Bootstrap(mean=mean, half=float("inf"), p=1.0, detectable=float("inf"))
    units = sum(len(s.sums) for s in strata)
    error = float(np.sqrt(sum(_own_error(s) ** 2 for s in strata)) / len(strata))
    if error <= np.finfo(float).eps * max(1.0, abs(mean)):
        # every history has the same mean: what is left is the sign of each
        p = 1.0 if mean == 0 else min(1.0, 2.0 ** (1 - units))
        return Bootstrap(mean=mean, half=0.0, p=p, detectable=0.0)
    means, errors = _resampled(strata, resamples)
    # a draw without any spread says nothing about it: the data's own error stands in
    ratios = np.abs(means - mean) / np.where(errors > 0, errors, error)
    quantile = float(np.quantile(ratios, LEVEL, method="higher"))
    power = float(student.ppf(POWER, units - len(strata)))
    return Bootstrap(
        mean=mean,
        half=quantile * error,
        p=(1 + int((ratios >= abs(mean) / error).sum())) / (resamples + 1),
        detectable=(quantile + power) * error,
    )


def _own_error(histories: Histories) -> float:
    sums, counts = histories.sums, histories.counts
    mean = np.array([sums.sum() / counts.sum()])
    return float(_error(histories, np.ones((1, len(sums))), mean)[0])


def _resampled(strata: Sequence[Histories], resamples: int) -> tuple[Floats, Floats]:
    """Mean and standard error of each resample, drawn a block at a time: histories may be many."""
    generator = np.random.default_rng(SEED)
    means, errors = [], []
    for start in range(0, resamples, BLOCK):
        size = min(BLOCK, resamples - start)
        mean, variance = np.zeros(size), np.zeros(size)
        for stratum in strata:
            draws = stratum.draw(generator, size)
            inside = stratum.means(draws)
            mean += inside / len(strata)
            variance += (_error(stratum, draws, inside) / len(strata)) ** 2
        means.append(mean)
        errors.append(np.sqrt(variance))
    return np.concatenate(means), np.concatenate(errors)


def _error(histories: Histories, draws: NDArray[np.int64] | Floats, means: Floats) -> Floats:
    """Standard error of a ratio of sums, for each row of draws (K, G) with its mean (K)."""
    total = len(histories.sums)
    spread = (histories.sums - means[:, None] * histories.counts) ** 2
    scale = total / (total - 1)
    return np.asarray(np.sqrt(scale * (draws * spread).sum(1)) / (draws @ histories.counts))
