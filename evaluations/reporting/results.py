"""The table of results. Numbers of different protocols never share a column unmarked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evaluations.records.record import Record
from evaluations.records.stored import StoredRecord
from evaluations.reporting.emphasis import RULE
from evaluations.reporting.naming import LABELS, column_titles, row_names
from evaluations.reporting.tables import BLANK, Cell, Estimate, Footnotes, Note, Table

__all__ = ["results_table", "score"]

LIMITED = "†"
READING = (
    "mean ± the longer arm of its 95 % interval in %, over n questions about k histories: a "
    "studentised bootstrap that resamples whole histories (Clopper-Pearson over histories where "
    "all score 0, or all 1)"
)


def results_table(
    stored: Sequence[StoredRecord], *, emphasis: Mapping[str, str] | None = None
) -> Table:
    """Methods and writers down, benchmarks across.

    Args:
        stored: the records.
        emphasis: ``best`` or ``second`` by cell, as ``emphasised`` finds them; None for nothing.
    """
    records = [s.record for s in stored]
    columns, names = column_titles(records), row_names(records)
    footnotes = Footnotes()
    rows: dict[tuple[str, ...], dict[tuple[str, str], Cell]] = {}
    for record in records:
        marks = [LIMITED] if record.limited else []
        marks += [footnotes.mark(text) for text in record.deviations]
        cell = _cell(record, marks, (emphasis or {}).get(record.cell))
        rows.setdefault(names[record.cell], {})[record.bench, record.fingerprint] = cell
    notes: list[Note | str] = [READING, *([RULE] if emphasis else [])]
    notes += [
        f"{title}: protocol {record.protocol}, fingerprint {record.fingerprint}"
        for title, record in columns.values()
    ]
    if any(r.limited for r in records):
        text = "only the first samples; not comparable with a full run"
        notes.append(Note(text=text, mark=LIMITED))
    return Table(
        name="scores",
        title="Scores",
        columns=[*LABELS, *(title for title, _ in columns.values())],
        rows=[
            [*key, *(cells.get(column, Cell(words=BLANK)) for column in columns)]
            for key, cells in sorted(rows.items())
        ],
        notes=[*notes, *footnotes.notes],
    )


def _cell(record: Record, marks: Sequence[str], emphasis: str | None) -> Cell:
    estimate = score(record)
    if estimate is None:
        return Cell(words=BLANK)
    return Cell(estimate=estimate, marks=tuple(marks), emphasis=emphasis)


def score(
    record: Record, metric: str | None = None, group: str | None = None, *, digits: int = 1
) -> Estimate | None:
    """A metric of a record in percent; None where it was not measured.

    Args:
        record: of the run.
        metric: None is the primary one.
        group: of samples; None is all of them.
        digits: behind the point.
    """
    found = record.metrics.get(metric or record.primary_metric)
    if found is None:
        return None
    if group is not None:
        part = found.groups.get(group)
        if part is None:
            return None
        return Estimate.of(part.mean, (part.lo, part.hi), scale=100, n=part.n, digits=digits)
    return Estimate.of(
        found.mean, found.ci95, scale=100, n=found.n, histories=found.clusters, digits=digits
    )
