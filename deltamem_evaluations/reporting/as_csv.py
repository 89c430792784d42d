"""One line for each record, metric and group, for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator

from deltamem_base.printable import printable
from deltamem_evaluations.metrics.statistics import GroupMean
from deltamem_evaluations.records.record import Record
from deltamem_evaluations.reporting.costs import COSTS
from deltamem_evaluations.reporting.tables import Report

__all__ = ["COLUMNS", "csv_lines"]

IDENTITY: dict[str, Callable[[Record], object]] = {
    "cell": lambda record: record.cell,
    "model": lambda record: record.model,
    "method": lambda record: record.method,
    "writer": lambda record: record.writer,
    "bench": lambda record: record.bench,
    "protocol": lambda record: record.protocol,
    "context": lambda record: record.context,
    "control": lambda record: record.control,
    "seed": lambda record: record.seed,
}
MEASURES = ("metric", "primary", "group", "mean", "ci95_low", "ci95_high", "n", "histories")
PROVENANCE = ("fingerprint", "limited", "weights", "commit", "date")
COLUMNS = (*IDENTITY, *MEASURES, *COSTS, *PROVENANCE)
ALL = "all"
"""The group of all samples."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a text that a spreadsheet takes for a formula."""


def csv_lines(report: Report) -> str:
    """The records as CSV (RFC 4180); shares are between 0 and 1, what is unknown is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for stored in report.records:
        writer.writerows(map(_defused, _lines(stored.record)))
    return text.getvalue()


def _lines(record: Record) -> Iterator[dict[str, object]]:
    around: dict[str, object] = {
        **{name: of(record) for name, of in IDENTITY.items()},
        **{name: record.cost.named(name) for name in COSTS},
        "fingerprint": record.fingerprint,
        "limited": record.limited,
        "weights": record.weights_sha,
        "commit": " and ".join(record.provenance.environment.git_commit) or None,
        "date": record.date,
    }
    for name, metric in record.measured.items():
        named = {**around, "metric": name, "primary": name == record.primary_metric}
        low, high = metric.ci95
        whole = GroupMean(mean=metric.mean, n=metric.n, lo=low, hi=high)
        yield {**named, **_measures(ALL, whole), "histories": metric.clusters}
        for group, part in metric.groups.items():
            yield {**named, **_measures(group, part)}


def _measures(group: str, part: GroupMean) -> dict[str, object]:
    return {
        "group": group,
        "mean": part.mean,
        "ci95_low": part.lo,
        "ci95_high": part.hi,
        "n": part.n,
    }


def _defused(line: dict[str, object]) -> dict[str, object]:
    """The same cells, with no text that a spreadsheet would take for a formula.

    An apostrophe before such a text has a spreadsheet show it as it stands.
    """
    return {name: _cell(value) if isinstance(value, str) else value for name, value in line.items()}


def _cell(text: str) -> str:
    return ("'" if text.startswith(FORMULA) else "") + printable(text)
