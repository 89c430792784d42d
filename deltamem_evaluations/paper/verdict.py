"""Does a run of ours reproduce a printed number? Five answers, and only two of them are good news.

d          our mean minus the printed number, in points, with a 95 % interval over histories
           (studentised cluster bootstrap; the paper has one seed and no interval of its own)
INVALID        the run is not the paper's: samples missing or not finite, a limited run, other data,
               settings or weights than the plan's
MATCH          the whole interval of d lies within one point of 0
WITHIN-NOISE   d = 0 lies in the interval, and the interval tells the number from "no effect"
UNDERPOWERED   d = 0 lies in the interval, and so does what the bare backbone scores in print (for
               the backbone itself: the interval is longer than five points either way)
DIFFERS        0 lies outside
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from deltamem_evaluations.metrics.paired import compare_scores
from deltamem_evaluations.paper.numbers import Column
from deltamem_evaluations.records.stored import Run

__all__ = [
    "Expected",
    "Judgement",
    "Measured",
    "Verdict",
    "average",
    "decide",
    "faults_of",
    "measure",
]

EQUAL = 1.0
"""Points within which two numbers are practically the same."""
LONGEST = 5.0
"""Points: half of an interval that says nothing about a backbone's score."""
REPEATED = 1e-9
"""How far a record's mean may lie from the mean of its samples: the rounding of a sum."""


class Verdict(StrEnum):
    """The answer on one cell."""

    MATCH = "MATCH"
    WITHIN_NOISE = "WITHIN-NOISE"
    DIFFERS = "DIFFERS"
    UNDERPOWERED = "UNDERPOWERED"
    INVALID = "INVALID"

    @property
    def met(self) -> bool:
        """Whether the printed number counts as reproduced."""
        return self in (Verdict.MATCH, Verdict.WITHIN_NOISE)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """Settings, weights and configuration that a run must have to be the paper's."""

    settings: Mapping[str, str]
    """``model``, ``method``, ``writer``, ``context``, ``heads``, ``layers``, as far as stated
    (``natural`` leaves it open), and ``protocol``, the paper's unless another is stated."""
    weights_sha: str | None
    """sha256 of the weights that the plan's training made; None where nothing is trained."""
    config: Mapping[str, object] | None = None
    """The plan's configuration, apart from the adapter; None where there is no plan."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A mean of ours in points with half of its interval's length."""

    mean: float
    half: float


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict on one printed number."""

    verdict: Verdict
    why: str
    measured: Measured | None = None
    difference: float | None = None
    """Ours minus printed, in points."""


def faults_of(run: Run, column: Column, expected: Expected) -> list[str]:
    """Every reason why a run cannot stand for a printed number; none for a valid one."""
    record = run.record
    faults = []
    if not record.complete or record.n.scored != record.n.expected:
        faults.append(f"{record.n.scored} of {record.n.expected} samples are scored")
    if record.limited:
        faults.append("a limited run")
    if record.control != "none":
        faults.append(f"control={record.control}")
    if record.bench != column.bench:
        faults.append(f"bench={record.bench}, and {column.bench} is wanted")
    faults += _other_settings(run, expected)
    faults += [f"other data: {d}" for d in record.provenance.data.deviations]
    return [*faults, *_bad_samples(run, column)]


def _other_settings(run: Run, expected: Expected) -> list[str]:
    record, have = run.record, run.record.settings
    wanted = {"protocol": "paper", **expected.settings}
    faults = [
        f"{name}={have.get(name)}, and {value} is wanted"
        for name, value in wanted.items()
        if value != "natural" and have.get(name) != value
    ]
    if expected.weights_sha is not None and record.weights_sha != expected.weights_sha:
        found, made = str(record.weights_sha)[:12], expected.weights_sha[:12]
        faults.append(f"the weights are {found}, and the training made {made}")
    if expected.config is not None:
        faults += [
            f"{name} is not as planned"
            for name in sorted(expected.config.keys() | record.config.keys())
            if name != "adapter" and expected.config.get(name) != record.config.get(name)
        ]
    return faults


def _bad_samples(run: Run, column: Column) -> list[str]:
    """Faults of the samples themselves: some are missing, or the record's mean is not theirs."""
    assert column.metric is not None
    scores = _scores(run, column)
    if not scores:
        return [f"no sample has {column.metric}"]
    faults = []
    if column.n is not None and len(scores) != column.n:
        faults.append(f"{len(scores)} of the benchmark's {column.n} samples")
    recorded = _recorded(run, column)
    mean = sum(score for score, _ in scores) / len(scores)
    if recorded is None or not abs(recorded - mean) <= REPEATED:
        faults.append("the record's mean is not that of its samples")
    return faults


def _scores(run: Run, column: Column) -> list[tuple[float, str]]:
    """(score, history) of the samples that a column is about."""
    assert column.metric is not None
    return [
        (line.scores[column.metric], line.history_id)
        for line in run.lines.values()
        if column.metric in line.scores and (column.group is None or column.group in line.groups)
    ]


def _recorded(run: Run, column: Column) -> float | None:
    metric = run.record.metrics.get(str(column.metric))
    if metric is None:
        return None
    if column.group is None:
        return metric.mean
    group = metric.groups.get(column.group)
    return None if group is None else group.mean


def measure(run: Run, column: Column) -> Measured:
    """Our mean with its interval, whole histories resampled.

    Raises:
        ValueError: no score; see :func:`faults_of`.
    """
    scores = _scores(run, column)
    values, clusters = [s for s, _ in scores], [c for _, c in scores]
    paired = compare_scores([0.0] * len(values), values, clusters=clusters)
    return Measured(mean=100 * paired.b, half=100 * (paired.ci95[1] - paired.effect))


def average(parts: Sequence[Measured]) -> Measured:
    """The mean over benchmarks, whose errors are independent."""
    return Measured(
        mean=sum(part.mean for part in parts) / len(parts),
        half=math.sqrt(sum(part.half**2 for part in parts)) / len(parts),
    )


def decide(measured: Measured, printed: float, *, reference: float | None) -> Judgement:
    """The verdict on a valid measurement.

    Args:
        measured: ours, in points.
        printed: the paper's number.
        reference: what the bare backbone scores in print; None where it is that itself, or unknown.
    """
    gap, half = measured.mean - printed, measured.half
    said = f"{gap:+.2f} points, 95 % interval ± {half:.2f}"
    if not (math.isfinite(gap) and math.isfinite(half)):
        verdict, why = Verdict.INVALID, "no finite interval: a single history"
    elif abs(gap) + half <= EQUAL:
        verdict, why = Verdict.MATCH, f"{said}: equal to within {EQUAL:g} point"
    elif abs(gap) > half:
        verdict, why = Verdict.DIFFERS, f"{said}: 0 lies outside"
    elif (fault := _why_it_says_nothing(measured, printed, reference)) is not None:
        verdict, why = Verdict.UNDERPOWERED, f"{said}: not conclusive, {fault}"
    else:
        verdict, why = Verdict.WITHIN_NOISE, f"{said}: 0 lies inside"
    return Judgement(verdict=verdict, why=why, measured=measured, difference=gap)


def _why_it_says_nothing(measured: Measured, printed: float, reference: float | None) -> str | None:
    """The fault of an interval with 0 in it; None where it tells something."""
    apart = math.inf if reference is None else abs(measured.mean - reference)
    if reference is not None and abs(printed - reference) > EQUAL and apart <= measured.half:
        return f"it contains the backbone's {reference:.2f}"
    return "it is too wide" if measured.half > LONGEST else None
