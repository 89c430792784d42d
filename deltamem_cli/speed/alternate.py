"""Things timed in turn, so that whatever else the machine does slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Figure", "LeftOut", "alternate", "figure"]

LEAST_SECONDS = 0.3
"""A turn lasts at least so long: quick work is repeated within it."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of ``deltamem bench``."""

    name: str
    ratio: float
    """Median over the rounds."""
    spread: tuple[float, float]
    """Least and largest of the rounds."""
    setting: str
    """Numerator, denominator and size, in words."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Figures that this machine cannot give."""

    names: Sequence[str]
    reason: str


def figure(name: str, ratios: Sequence[float], setting: str) -> Figure:
    """The figure that the ratios of several rounds give."""
    middle = statistics.median(ratios)
    return Figure(name=name, ratio=middle, spread=(min(ratios), max(ratios)), setting=setting)


def alternate(
    works: Sequence[Callable[[], object]],
    *,
    rounds: int,
    tick: Callable[[int, int], None] = lambda done, total: None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[tuple[float, ...]]:
    """Seconds of each of ``works``, round after round.

    Every one runs once before, so that no round pays for what happens only once.

    Args:
        works: what to time.
        rounds: how often each has its turn.
        tick: called with the turns that are done, and all turns.
        clock: ``time.process_time`` leaves out what others on the machine do.
    """
    total, found = (rounds + 1) * len(works), []
    for number, work in enumerate(works, 1):
        work()
        tick(number, total)
    for turn in range(1, rounds + 1):
        times = []
        for number, work in enumerate(works, 1):
            times.append(_seconds(work, clock))
            tick(turn * len(works) + number, total)
        found.append(tuple(times))
    return found


def _seconds(work: Callable[[], object], clock: Callable[[], float]) -> float:
    # the mean: a median would pass over the pauses on a busy machine that a long work cannot avoid
    start, times = clock(), 0
    while times == 0 or clock() - start < LEAST_SECONDS:
        work()
        times += 1
    return (clock() - start) / times
