"""The fitted capacity on curves whose number of bits is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from deltamem_evaluations.metrics.capacity import Curve, fit_capacity, information
from deltamem_evaluations.metrics.resampling import Histories

VALUES = 16
FACTS = (1, 2, 4, 8, 16)
BITS = 20.0
TRIALS = 150
COVERED = (0.9, 1.0)
"""Share of 95 % intervals in 150 trials: nearly three binomial standard errors (1.8 %) below, and
not all of them above."""


def accuracy_of(bits: float, facts: int) -> float:
    """Accuracy of a state that holds ``bits``, asked about one of ``facts``."""
    told = min(bits / facts, math.log2(VALUES))
    return float(brentq(lambda p: information(p, values=VALUES) - told, 1 / VALUES, 1))


def curve(bits: float, *, histories: int, rng: np.random.Generator | None = None) -> list[Curve]:
    """Scores of a state with so many bits: their expectation, or drawn.

    Drawn histories differ in how hard they are: shares from a beta distribution.
    """
    made = []
    for facts in FACTS:
        p = accuracy_of(bits, facts)
        sums = np.full(histories, 4 * p)
        if rng is not None:
            shares = rng.beta(6 * p, 6 * (1 - p), size=histories) if p < 1 else p
            sums = rng.binomial(4, shares, size=histories).astype(float)
        made.append(
            Curve(
                facts=facts,
                scores=Histories(sums=sums, counts=np.full(histories, 4.0), resampled="histories"),
            )
        )
    return made


def test_information_by_hand() -> None:
    assert information(1.0, values=16) == 4.0
    assert information(1 / 16, values=16) == 0.0
    assert information(0.01, values=16) == 0.0
    # two values: the capacity of a binary symmetric channel
    p = 0.89
    assert information(p, values=2) == pytest.approx(
        1 + p * math.log2(p) + (1 - p) * math.log2(1 - p)
    )


@pytest.mark.parametrize("bits", [3.0, 10.0, 25.0, 50.0])
def test_a_known_capacity_is_found(bits: float) -> None:
    step = 16 * 4 / 2000
    found = fit_capacity(curve(bits, histories=20), values=VALUES)
    assert found.bits == pytest.approx(bits, abs=step)
    assert not found.at_least


@pytest.mark.parametrize("histories", [10, 40])
def test_coverage_of_the_interval(histories: int) -> None:
    """Quantiles that were not expanded held it in 89 of 100 at ten histories, ours in 96."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(TRIALS):
        found = fit_capacity(curve(BITS, histories=histories, rng=rng), values=VALUES)
        held += found.low <= BITS <= found.high
    low, high = COVERED
    assert low < held / TRIALS < high


def test_one_history_says_nothing_of_the_spread() -> None:
    found = fit_capacity(curve(20.0, histories=1), values=VALUES)
    assert (found.low, found.high) == (0.0, 64.0)


def test_the_ends() -> None:
    nothing = fit_capacity(curve(0.0, histories=5), values=VALUES)
    assert nothing.bits == 0.0
    everything = fit_capacity(curve(64.0, histories=5), values=VALUES)
    assert everything.at_least
    assert everything.bits == 64.0
    with pytest.raises(ValueError, match="0 numbers of facts"):
        fit_capacity([], values=VALUES)
