"""Records to tables. Numbers of different protocols never share a column unmarked."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluations.errors import InvalidData
from evaluations.record import RECORD, Record, read_record

__all__ = ["Table", "collect", "markdown", "percent", "results_table"]

MARKS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as text, and what has to be said below them."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def collect(folders: Iterable[Path]) -> tuple[list[Record], list[str]]:
    """All complete records below some folders, oldest first, each cell once.

    Returns:
        The records, and a sentence for each file that was left out and why.
    """
    found: dict[str, Record] = {}
    left_out = []
    for folder in folders:
        paths = [*folder.glob("*__*.json"), *folder.glob(f"*/{RECORD}")]
        for path in sorted(paths):
            try:
                record = read_record(path)
            except InvalidData as fault:
                left_out.append(str(fault))
                continue
            if record.complete:
                found.setdefault(record.cell, record)
            else:
                n = record.n
                left_out.append(f"{path} has {n['scored']} of {n['expected']} samples: left out")
    return sorted(found.values(), key=lambda record: record.date), left_out


def results_table(records: Sequence[Record]) -> Table:
    """Methods and writers down, benchmarks across; mean ± 95 % interval and n in each cell."""
    columns = _columns(records)
    rows: dict[tuple[str, ...], dict[tuple[str, str], Record]] = {}
    marks = _marks(records)
    for record in records:
        named = _method(record) + marks[record.cell]
        rows.setdefault(_key(record, named), {})[record.bench, record.fingerprint] = record
    notes = [
        f"{title}: protocol {record.protocol}, fingerprint {record.fingerprint}"
        for title, record in columns.values()
    ]
    limited = [r for r in records if r.limited]
    if limited:
        notes.append("†: only the first samples; not comparable with a full run")
    deviations = dict.fromkeys(f"{r.cell}: {d}" for r in records for d in r.deviations)
    return Table(
        columns=[
            "model",
            "method",
            "context",
            "control",
            *(title for title, _ in columns.values()),
        ],
        rows=[
            [*key, *(_cell(cells.get(column)) for column in columns)]
            for key, cells in sorted(rows.items())
        ],
        notes=[*notes, *deviations],
    )


def _columns(records: Sequence[Record]) -> dict[tuple[str, str], tuple[str, Record]]:
    """(bench, fingerprint) -> title and one record; a bench with several protocols is marked."""
    first: dict[tuple[str, str], Record] = {}
    for record in sorted(records, key=lambda r: (r.bench, r.date)):
        first.setdefault((record.bench, record.fingerprint), record)
    columns = {}
    for (bench, fingerprint), record in first.items():
        alike = [f for b, f in first if b == bench]
        mark = f" ({MARKS[alike.index(fingerprint) % len(MARKS)]})" if len(alike) > 1 else ""
        columns[bench, fingerprint] = (f"{bench} {record.primary_metric}{mark}", record)
    return columns


def _marks(records: Sequence[Record]) -> dict[str, str]:
    """What tells records of one method apart, by cell: weights, seed, settings; else nothing."""
    alike: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        alike.setdefault(_key(record, _method(record)), []).append(record)
    return {
        record.cell: "".join(f" {word}" for mark in _telling(group) if (word := mark(record)))
        for group in alike.values()
        for record in group
    }


def _telling(group: Sequence[Record]) -> list[Callable[[Record], str]]:
    """The fewest of the marks that tell the records of a column apart."""
    chosen: list[Callable[[Record], str]] = []
    for mark in (_weights, _seed, _settings, _extent):
        cells = Counter((r.bench, r.fingerprint, *(m(r) for m in chosen)) for r in group)
        if max(cells.values()) == 1:
            break
        if len({mark(record) for record in group}) > 1:
            chosen.append(mark)
    return chosen


def _weights(record: Record) -> str:
    method = record.provenance.get("method", {})
    return f"@{(method.get('adapter_sha') or method.get('weights_sha') or 'none')[:8]}"


def _seed(record: Record) -> str:
    return f"seed={record.seed}"


def _settings(record: Record) -> str:
    method = json.dumps(record.provenance.get("method", {}), sort_keys=True, default=str)
    return f"settings={hashlib.sha256(method.encode()).hexdigest()[:6]}"


def _extent(record: Record) -> str:
    return f"n={record.n['expected']}"


def _method(record: Record) -> str:
    return f"{record.method} {record.writer}" if record.writer else record.method


def _key(record: Record, method: str) -> tuple[str, ...]:
    """The row of a table that a record belongs to."""
    return record.model, method, record.context, _control(record)


def _control(record: Record) -> str:
    return "" if record.control == "none" else record.control


def _cell(record: Record | None) -> str:
    if record is None:
        return "–"
    metric = record.metrics.get(record.primary_metric)
    if metric is None:
        return "–"
    mark = " †" if record.limited else ""
    return f"{percent(metric['mean'], *metric['ci95'])} (n={metric['n']}){mark}"


def percent(mean: float, low: float, high: float, *, digits: int = 1) -> str:
    """``97.5 ± 3.8``: a share in percent, and the longer arm of its interval."""
    half = 100 * max(mean - low, high - mean)
    return f"{100 * mean:.{digits}f} ± {half:.{digits}f}"


def markdown(table: Table, *, title: str | None = None) -> str:
    """A GitHub table whose source is aligned, with its notes below."""
    lines = [list(table.columns), *[list(row) for row in table.rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]

    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return "| " + " | ".join(padded) + " |"

    head = [f"# {title}", ""] if title else []
    rule = line(["-" * width for width in widths])
    body = [line(lines[0]), rule, *(line(row) for row in lines[1:])]
    notes = ["", *(f"- {note}" for note in table.notes)] if table.notes else []
    return "\n".join([*head, *body, *notes]) + "\n"
