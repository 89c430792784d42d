"""Two runs on the same questions: the difference, its uncertainty, and what flipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltamem_base.faults import InvalidData, InvalidInput, Unavailable
from evaluations.metrics.paired import Paired, compare_scores, holm
from evaluations.records.record import RECORD, Record, read_record
from evaluations.records.store import read_samples

__all__ = [
    "WITHHELD",
    "Comparison",
    "Flip",
    "Line",
    "Run",
    "compare_runs",
    "flips",
    "read_run",
]

Row = Mapping[str, Any]
WITHHELD = "[withheld]"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A record with its samples."""

    record: Record
    rows: Mapping[str, Row]
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


def read_run(folder: Path) -> Run:
    """A run from its folder, or from the path of its record.

    Raises:
        Unavailable: there is no record.
        InvalidData: a damaged record or sample.
    """
    path = folder / RECORD if folder.is_dir() else folder
    if not path.is_file():
        raise Unavailable(
            f"there is no record in {folder}: name the folder of a finished run, as `deltamem "
            "list runs` shows them"
        )
    record = read_record(path)
    samples = path.parent if path.name == RECORD else Path(record.path).parent
    return Run(record=record, rows={row["id"]: row for row in read_samples(samples)})


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
    shared = [name for name in a.rows if name in b.rows]
    metric = a.record.primary_metric
    if not any(metric in a.rows[n]["scores"] and metric in b.rows[n]["scores"] for n in shared):
        raise InvalidInput(f"{a.record.cell} and {b.record.cell} share no sample with {metric}")
    names = dict.fromkeys([metric, *(m for n in shared for m in a.rows[n]["scores"])])
    lines = [line for name in names for line in _lines(a.rows, b.rows, shared, name)]
    if any(line.paired.resampled == "questions" for line in lines if line.group == "all"):
        notes.append("a single history: questions are resampled, and the interval is too narrow")
    return Comparison(a=a.record.cell, b=b.record.cell, lines=lines, notes=notes)


def _differences(a: Run, b: Run) -> list[str]:
    notes = []
    one, other = a.record, b.record
    if one.fingerprint != other.fingerprint:
        notes.append(
            f"{one.cell} and {other.cell} were made by different protocols or data ("
            f"{one.bench} {one.fingerprint} and {other.bench} {other.fingerprint})"
        )
    only = len(a.rows.keys() ^ b.rows.keys())
    if only:
        notes.append(f"{only} samples were answered in only one of {one.cell} and {other.cell}")
    return notes


def _lines(
    a: Mapping[str, Row], b: Mapping[str, Row], ids: Sequence[str], metric: str
) -> list[Line]:
    """Over all samples that have the metric, then by group."""
    ids = [n for n in ids if metric in a[n]["scores"] and metric in b[n]["scores"]]
    if not ids:
        return []
    groups = dict.fromkeys(group for n in ids for group in a[n]["groups"])
    members = {group: [n for n in ids if group in a[n]["groups"]] for group in groups}
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


def _paired(a: Mapping[str, Row], b: Mapping[str, Row], ids: Sequence[str], metric: str) -> Paired:
    try:
        return compare_scores(
            [float(a[n]["scores"][metric]) for n in ids],
            [float(b[n]["scores"][metric]) for n in ids],
            clusters=[str(a[n]["history_id"]) for n in ids],
        )
    except ValueError as fault:
        raise InvalidData(f"{metric} cannot be compared: {fault}") from fault


def flips(a: Run, b: Run) -> list[Flip]:
    """Samples whose primary score differs, what B fixed first, largest differences first."""
    metric = a.record.primary_metric
    found = []
    for name, row in a.rows.items():
        other = b.rows.get(name)
        if other is None or metric not in row["scores"] or metric not in other["scores"]:
            continue
        effect = float(other["scores"][metric]) - float(row["scores"][metric])
        if effect:
            found.append(_flip(name, row, other, effect))
    return sorted(found, key=lambda flip: -flip.effect)


def _flip(name: str, row: Row, other: Row, effect: float) -> Flip:
    if row["question"] is None:
        return Flip(id=name, question=None, references=(), a=WITHHELD, b=WITHHELD, effect=effect)
    return Flip(
        id=name,
        question=row.get("asked") or row["question"],
        references=row["references"],
        a=row["prediction"],
        b=other["prediction"],
        effect=effect,
    )
