"""Names of rows and columns: as short as tells records apart, never shorter."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict

from deltamem_evaluations.records.record import Record

__all__ = ["LABELS", "column_titles", "metric_title", "row_names"]

LABELS = ("model", "method", "context", "control")
MARKS = "abcdefghijklmnopqrstuvwxyz"


def column_titles(records: Sequence[Record]) -> dict[tuple[str, str], tuple[str, Record]]:
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


def metric_title(title: str, record: Record, metric: str) -> str:
    """The title of a column of another metric beside that of the primary one, marked alike.

    Args:
        title: of the primary metric's column.
        record: one of its records.
        metric: the other one.
    """
    mark = title.removeprefix(f"{record.bench} {record.primary_metric}")
    return f"{record.bench} {metric}{mark}"


def row_names(records: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """The :data:`LABELS` of each record's row, by cell.

    Records of one method that differ in weights, seed or settings get rows of their own.
    """
    alike: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        alike.setdefault(_key(record, _method(record)), []).append(record)
    return {
        record.cell: _key(record, _method(record) + _words(marks, record))
        for group in alike.values()
        for marks in [_telling(group)]
        for record in group
    }


def _words(marks: Sequence[Callable[[Record], str]], record: Record) -> str:
    return "".join(f" {word}" for mark in marks if (word := mark(record)))


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
    return f"@{(record.weights_sha or 'none')[:8]}"


def _seed(record: Record) -> str:
    return f"seed={record.seed}"


def _settings(record: Record) -> str:
    made = record.provenance
    method = json.dumps([asdict(made.method), asdict(made.backbone)], sort_keys=True)
    return f"settings={hashlib.sha256(method.encode()).hexdigest()[:6]}"


def _extent(record: Record) -> str:
    return f"n={record.n.expected}"


def _method(record: Record) -> str:
    variant = record.provenance.method.variant
    words = (record.method, record.writer, None if variant is None else f"({variant})")
    return " ".join(word for word in words if word)


def _key(record: Record, method: str) -> tuple[str, ...]:
    """The row of a table that a record belongs to."""
    return record.model, method, record.context, _control(record)


def _control(record: Record) -> str:
    return "" if record.control == "none" else record.control
