"""Two runs on the same questions: the difference, its uncertainty, and what flipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from deltamem_base.counts import counted
from deltamem_base.faults import InvalidInput
from deltamem_evaluations.metrics.paired import Paired, compare_scores, holm
from deltamem_evaluations.records.sample_line import SampleLine
from deltamem_evaluations.records.stored import Run

__all__ = ["WITHHELD", "Comparison", "Flip", "Line", "compare_runs", "flips", "verdict"]

WITHHELD = "[withheld]"
Lines = Mapping[str, SampleLine]
"""Sample id -> stored line."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One metric, over all samples or over a group."""

    metric: str
    group: str
    """``all``, or the group's name."""
    paired: Paired
    p_holm: float
    """Adjusted for the groups of its metric; over all samples it is the plain p."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """B minus A, with what has to be said about it."""

    a: str
    b: str
    lines: Sequence[Line]
    """The primary metric over all samples first."""
    notes: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A sample whose score differs."""

    id: str
    question: str | None
    """None where the benchmark withholds it, with references and answers, which may repeat it."""
    references: Sequence[str]
    a: str
    b: str
    effect: float
    """Score of B minus score of A: positive was fixed, negative was broken."""
    groups: Sequence[str] = ()
    """Groups that the sample is in."""


def compare_runs(a: Run, b: Run, *, force: bool = False) -> Comparison:
    """Compare by sample id.

    Args:
        a: the reference.
        b: what is compared with it.
        force: compare what two fingerprints, or incomplete runs, have in common.

    Raises:
        InvalidInput: different protocols or samples, unless forced; or nothing in common.
    """
    notes = _differences(a, b)
    if notes and not force:
        raise InvalidInput(f"{notes[0]}; --force compares what they have in common")
    shared = [name for name in a.lines if name in b.lines]
    metric = a.record.primary_metric
    if not _with_metric(a.lines, b.lines, shared, metric):
        raise InvalidInput(f"{a.record.cell} and {b.record.cell} share no sample with {metric}")
    names = dict.fromkeys([metric, *(m for n in shared for m in a.lines[n].measures)])
    lines = [line for name in names for line in _lines(a.lines, b.lines, shared, name)]
    if any(line.paired.resampled == "questions" for line in lines if line.group == "all"):
        notes.append("a single history: questions are resampled, and the interval is too narrow")
    return Comparison(a=a.record.cell, b=b.record.cell, lines=lines, notes=notes)


def verdict(done: Comparison) -> str:
    """The sentence that says which run is better, by how much, and how sure that is."""
    line = done.lines[0]
    paired = line.paired
    low, high = (100 * end for end in paired.ci95)
    asked = f"{counted(paired.n, 'question')}, {counted(paired.clusters, 'history')}"
    if not isfinite(low):
        return (
            f"Nothing can be said of which is better: {asked} are too few for an interval of "
            f"{line.metric}"
        )
    points = abs(100 * paired.effect)
    sure = f"95 % CI {low:+.1f} to {high:+.1f}, p = {paired.p:.2g}; {asked}"
    if low > 0 or high < 0:
        better, worse = ("B", "A") if paired.effect > 0 else ("A", "B")
        return f"{better} is better than {worse} by {points:.1f} points of {line.metric} ({sure})"
    if not points:
        return f"A and B have the same {line.metric} ({sure})"
    ahead, behind = ("B", "A") if paired.effect > 0 else ("A", "B")
    return (
        f"It is open which is better: {ahead} is ahead of {behind} by {points:.1f} points of "
        f"{line.metric}, which may be chance ({sure})"
    )


def _differences(a: Run, b: Run) -> list[str]:
    notes = []
    one, other = a.record, b.record
    if one.fingerprint != other.fingerprint:
        notes.append(
            f"{one.cell} and {other.cell} were made by different protocols or data ("
            f"{one.bench} {one.fingerprint} and {other.bench} {other.fingerprint})"
        )
    only = len(a.lines.keys() ^ b.lines.keys())
    if only:
        notes.append(f"{only} samples were answered in only one of {one.cell} and {other.cell}")
    return notes


def _with_metric(a: Lines, b: Lines, ids: Sequence[str], metric: str) -> list[str]:
    return [n for n in ids if metric in a[n].measures and metric in b[n].measures]


def _lines(a: Lines, b: Lines, ids: Sequence[str], metric: str) -> list[Line]:
    """The comparison over all samples that have the metric, then by group."""
    ids = _with_metric(a, b, ids, metric)
    if not ids:
        return []
    groups = dict.fromkeys(group for n in ids for group in a[n].groups)
    members = {group: [n for n in ids if group in a[n].groups] for group in groups}
    whole = _paired(a, b, ids, metric)
    parts = {group: _paired(a, b, inside, metric) for group, inside in members.items()}
    adjusted = holm([paired.p for paired in parts.values()])
    return [
        Line(metric=metric, group="all", paired=whole, p_holm=whole.p),
        *(
            Line(metric=metric, group=group, paired=paired, p_holm=p)
            for (group, paired), p in zip(parts.items(), adjusted, strict=True)
        ),
    ]


def _paired(a: Lines, b: Lines, ids: Sequence[str], metric: str) -> Paired:
    return compare_scores(
        [a[n].measures[metric] for n in ids],
        [b[n].measures[metric] for n in ids],
        clusters=[a[n].history_id for n in ids],
    )


def flips(a: Run, b: Run) -> list[Flip]:
    """Samples whose primary score differs: fixed ones first, largest differences first."""
    metric = a.record.primary_metric
    shared = [name for name in a.lines if name in b.lines]
    found = [
        _flip(a.lines[name], b.lines[name], b.lines[name].scores[metric] - score)
        for name in _with_metric(a.lines, b.lines, shared, metric)
        if (score := a.lines[name].scores[metric]) != b.lines[name].scores[metric]
    ]
    return sorted(found, key=lambda flip: -flip.effect)


def _flip(a: SampleLine, b: SampleLine, effect: float) -> Flip:
    if a.question is None or a.is_withheld or b.is_withheld:
        return Flip(
            id=a.id,
            question=None,
            references=(),
            a=WITHHELD,
            b=WITHHELD,
            effect=effect,
            groups=b.groups,
        )
    return Flip(
        id=a.id,
        question=a.asked or a.question,
        references=a.references,
        a=a.answer,
        b=b.answer,
        effect=effect,
        groups=b.groups,
    )
