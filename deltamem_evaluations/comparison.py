"""Two runs on the same questions: the difference, its uncertainty, and what flipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from deltamem_base.counts import counted
from deltamem_base.faults import InvalidInput
from deltamem_evaluations.judging.rules import judged_by
from deltamem_evaluations.metrics.paired import Paired, compare_scores, holm
from deltamem_evaluations.records.sample_line import SampleLine
from deltamem_evaluations.records.stored import Run

__all__ = ["WITHHELD", "Comparison", "Flip", "Line", "compare_runs", "flips", "verdict"]

WITHHELD = "[withheld]"
Lines = Mapping[str, SampleLine]
"""Sample id -> stored line."""
Scores = Mapping[str, float]
"""Sample id -> its score, of the samples that have one."""
STANDS_IN = "unjudged"
"""Begins the name of a metric that stands in for a judge."""


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
        raise InvalidInput(f"{notes[0]}; --force compares the questions that both answered")
    shared = {name: line for name, line in a.lines.items() if name in b.lines}
    metric = a.record.primary_metric
    names = dict.fromkeys([metric, *(m for line in shared.values() for m in line.measures)])
    measured = [(name, _scores(a, name), _scores(b, name)) for name in names]
    _, one, other = measured[0]
    if not _both(one, other):
        raise InvalidInput(f"{a.record.cell} and {b.record.cell} share no sample with {metric}")
    judged, unpaired = _judged(a, b)
    notes += unpaired
    # a judge's word comes first where the metric is there for want of a judge
    stands_in = metric.startswith(STANDS_IN)
    ordered = [*judged, *measured] if stands_in else [*measured, *judged]
    lines = [line for of_metric in ordered for line in _lines(shared, *of_metric)]
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
            f"It cannot be said which is better: {asked} are too few for an interval of "
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
        f"It is not clear which is better: {ahead} is ahead of {behind} by {points:.1f} points of "
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


def _judged(a: Run, b: Run) -> tuple[list[tuple[str, Scores, Scores]], list[str]]:
    """Scores by each judge of both runs, and a note on every judge of only one."""
    both = [judge for judge in a.judged if judge in b.judged]
    notes = [
        f"{judge} has judged only {run.record.cell}, so its judgements are left out"
        for run, other in ((a, b), (b, a))
        for judge in run.judged
        if judge not in other.judged
    ]
    return [(judged_by(judge), a.judged[judge], b.judged[judge]) for judge in both], notes


def _scores(run: Run, metric: str) -> Scores:
    return {n: line.measures[metric] for n, line in run.lines.items() if metric in line.measures}


def _both(a: Scores, b: Scores) -> list[str]:
    return [name for name in a if name in b]


def _lines(shared: Lines, metric: str, a: Scores, b: Scores) -> list[Line]:
    """The comparison over all samples that have the metric, then by group."""
    ids = [name for name in _both(a, b) if name in shared]
    if not ids:
        return []
    groups = _ordered(group for n in ids for group in shared[n].groups)
    members = {group: [n for n in ids if group in shared[n].groups] for group in groups}
    whole = _paired(shared, a, b, ids)
    parts = {group: _paired(shared, a, b, inside) for group, inside in members.items()}
    adjusted = holm([paired.p for paired in parts.values()])
    return [
        Line(metric=metric, group="all", paired=whole, p_holm=whole.p),
        *(
            Line(metric=metric, group=group, paired=paired, p_holm=p)
            for (group, paired), p in zip(parts.items(), adjusted, strict=True)
        ),
    ]


def _ordered(groups: Iterable[str]) -> list[str]:
    """Kinds as they come, each followed by its own groups: ``single_hop/2`` before ``…/16``."""
    found = list(dict.fromkeys(groups))
    kinds = list(dict.fromkeys(group.partition("/")[0] for group in found))

    def place(group: str) -> tuple[int, int, str]:
        kind, _, part = group.partition("/")
        return kinds.index(kind), int(part) if part.isdecimal() else -1, part

    return sorted(found, key=place)


def _paired(shared: Lines, a: Scores, b: Scores, ids: Sequence[str]) -> Paired:
    return compare_scores(
        [a[n] for n in ids], [b[n] for n in ids], clusters=[shared[n].history_id for n in ids]
    )


def flips(a: Run, b: Run) -> list[Flip]:
    """Samples whose primary score differs: fixed ones first, largest differences first."""
    one, other = (_scores(run, a.record.primary_metric) for run in (a, b))
    found = [
        _flip(a.lines[name], b.lines[name], other[name] - one[name])
        for name in _both(one, other)
        if one[name] != other[name]
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
