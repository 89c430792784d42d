"""Means of scores with their uncertainty, over all questions and by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal

from deltamem_evaluations.metrics.resampling import KIND, LEVEL, Histories, bootstrap
from deltamem_evaluations.quantities import Amount, Count

__all__ = ["EXACT", "GroupMean", "Metric", "ScoredQuestion", "mean_over_groups", "summarise"]

RESAMPLES = 1999
"""Resamples of one interval: a record holds hundreds, and nobody reads a width's third digit."""
ONE_HISTORY: Literal["questions"] = "questions"
EXACT = "Clopper-Pearson over histories"
"""Interval of histories that are all right, or all wrong: resampling finds no spread there, and
that there is none is not what ten equal histories show."""


@dataclass(frozen=True, kw_only=True)
class ScoredQuestion:
    """One score: between 0 and 1, or an amount without an upper end."""

    score: float
    history: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GroupMean:
    """The mean over the questions of one group, with a 95 % interval."""

    mean: Amount
    n: Count
    lo: Amount
    """Lower end of the interval."""
    hi: Amount
    """Upper end of the interval."""
    interval: str = KIND
    """Name of the interval: :data:`KIND`, or :data:`EXACT` where all questions score alike."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A mean over questions, with a 95 % interval."""

    mean: Amount
    ci95: tuple[Amount, Amount]
    """Lower and upper end of the interval."""
    n: Count
    """Number of questions."""
    clusters: Count
    """Number of histories."""
    resampled: Literal["histories", "questions"]
    """Units that the interval resamples: ``histories``, or ``questions`` of the only history."""
    interval: str = KIND
    """Name of the interval, see :class:`GroupMean`."""
    groups: dict[str, GroupMean] = field(default_factory=dict)


def summarise(scores: Sequence[ScoredQuestion], *, bounded: bool = True) -> Metric:
    """Mean over all questions, and by group.

    Args:
        scores: of the questions.
        bounded: whether they lie between 0 and 1; else they have no upper end, and a group of one
            question, which leaves no interval, is left out.

    Raises:
        ValueError: there are no scores, or one without an upper end.
    """
    return _metric(scores, [scores], bounded=bounded)


def mean_over_groups(scores: Sequence[ScoredQuestion]) -> Metric:
    """Mean over groups of the mean inside each; every question has one group.

    Raises:
        ValueError: there are no scores.
    """
    return _metric(scores, list(_by_group(scores).values()), bounded=True)


def _metric(
    scores: Sequence[ScoredQuestion],
    strata: Sequence[Sequence[ScoredQuestion]],
    *,
    bounded: bool,
) -> Metric:
    """The mean over strata, with the means of all groups."""
    whole, resampled = _mean(strata, bounded=bounded)
    groups = _by_group(scores)
    return Metric(
        mean=whole.mean,
        ci95=(whole.lo, whole.hi),
        n=whole.n,
        clusters=len({s.history for s in scores}),
        resampled=resampled,
        interval=whole.interval,
        groups={
            name: _mean([inside], bounded=bounded)[0]
            for name, inside in groups.items()
            if bounded or len(inside) > 1
        },
    )


def _by_group(scores: Sequence[ScoredQuestion]) -> dict[str, list[ScoredQuestion]]:
    names = dict.fromkeys(name for s in scores for name in s.groups)
    return {name: [s for s in scores if name in s.groups] for name in names}


def _mean(
    strata: Sequence[Sequence[ScoredQuestion]], *, bounded: bool
) -> tuple[GroupMean, Literal["histories", "questions"]]:
    """The mean over strata, and what its interval resamples."""
    if not strata or not all(strata):
        raise ValueError("no scores to summarise")
    histories = [Histories.of([s.score for s in q], [s.history for s in q]) for q in strata]
    single = any(h.resampled == ONE_HISTORY for h in histories)
    found = _interval(histories, n=sum(map(len, strata)), bounded=bounded)
    return found, ONE_HISTORY if single else "histories"


def _interval(histories: Sequence[Histories], *, n: int, bounded: bool) -> GroupMean:
    found, kind = bootstrap(histories, resamples=RESAMPLES), KIND
    lo, hi = found.mean - found.half, found.mean + found.half
    if not bounded:
        if not isfinite(found.half):
            raise ValueError("one amount leaves no interval")
        return GroupMean(mean=found.mean, n=n, lo=max(lo, 0.0), hi=hi, interval=kind)
    if found.half == 0 and found.mean in (0.0, 1.0):
        fewest, kind = min(len(h.sums) for h in histories), EXACT
        miss = 1 - ((1 - LEVEL) / 2) ** (1 / fewest)
        lo, hi = found.mean - miss, found.mean + miss
    # scores lie between 0 and 1, and so does their mean
    return GroupMean(mean=found.mean, n=n, lo=max(lo, 0.0), hi=min(hi, 1.0), interval=kind)
