"""One line for each record, metric and group, for other programs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from evaluations.records.origins import each
from evaluations.records.record import Record
from evaluations.reporting.as_json import finite
from evaluations.reporting.costs import COSTS
from evaluations.reporting.tables import Report

__all__ = ["COLUMNS", "csv_lines"]

IDENTITY = ("cell", "model", "method", "writer", "bench", "protocol", "context", "control", "seed")
MEASURES = ("metric", "primary", "group", "mean", "ci95_low", "ci95_high", "n", "histories")
PROVENANCE = ("fingerprint", "limited", "weights", "commit", "date")
COLUMNS = (*IDENTITY, *MEASURES, *COSTS, *PROVENANCE)
ALL = "all"
"""The group of all samples."""


def csv_lines(report: Report) -> str:
    """The records as CSV (RFC 4180); shares are between 0 and 1, what is unknown is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    for stored in report.records:
        writer.writerows(_lines(stored.record))
    return text.getvalue()


def _lines(record: Record) -> Iterator[dict[str, Any]]:
    around: dict[str, Any] = {
        **{name: getattr(record, name) for name in IDENTITY},
        **{name: record.cost.get(name) for name in COSTS},
        "fingerprint": record.fingerprint,
        "limited": record.limited,
        "weights": record.weights_sha,
        "commit": " and ".join(each(record.provenance.get("git_commit"))) or None,
        "date": record.date,
    }
    for metric, found in record.metrics.items():
        named = {**around, "metric": metric, "primary": metric == record.primary_metric}
        whole = {"lo": found["ci95"][0], "hi": found["ci95"][1], "histories": found["clusters"]}
        yield finite({**named, **_measures(ALL, {**found, **whole})})
        for group, part in found.get("groups", {}).items():
            yield finite({**named, **_measures(group, part)})


def _measures(group: str, part: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "group": group,
        "mean": part["mean"],
        "ci95_low": part["lo"],
        "ci95_high": part["hi"],
        "n": part["n"],
        "histories": part.get("histories"),
    }
