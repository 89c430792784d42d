"""The fitted capacity on curves whose number of bits is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from deltamem_evaluations.metrics.capacity import Curve, accuracy_of, fit_capacity, information
from deltamem_evaluations.metrics.resampling import Histories

VALUES = 16
FACTS = (1, 2, 4, 8, 16)


def curve(bits: float, *, histories: int, seed: int | None = None) -> list[Curve]:
    """Scores of a state with so many bits: their expectation, or drawn."""
    made = []
    rng = np.random.default_rng(seed)
    for facts in FACTS:
        p = accuracy_of(bits, facts, values=VALUES)
        sums = np.full(histories, 4 * p)
        if seed is not None:
            sums = rng.binomial(4, p, size=histories).astype(float)
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


def test_the_interval_covers_it_about_as_often_as_it_says() -> None:
    bits, hits = 20.0, 0
    for seed in range(40):
        found = fit_capacity(curve(bits, histories=30, seed=seed), values=VALUES)
        hits += found.low <= bits <= found.high
    assert hits >= 34


def test_the_ends() -> None:
    nothing = fit_capacity(curve(0.0, histories=5), values=VALUES)
    assert nothing.bits == 0.0
    everything = fit_capacity(curve(64.0, histories=5), values=VALUES)
    assert everything.at_least
    assert everything.bits == 64.0
    with pytest.raises(ValueError, match="0 numbers of facts"):
        fit_capacity([], values=VALUES)
