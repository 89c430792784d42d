"""The table of results. Numbers of different protocols never share a column unmarked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deltamem_evaluations.judging.rules import JUDGED
from deltamem_evaluations.metrics.likelihood import MEANING, REFERENCE_NLL, shown_as
from deltamem_evaluations.records.record import Record
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.emphasis import RULE
from deltamem_evaluations.reporting.naming import LABELS, column_titles, metric_title, row_names
from deltamem_evaluations.reporting.tables import BLANK, Cell, Estimate, Footnotes, Note, Table

__all__ = ["WEIGHING", "results_table", "score"]

LIMITED = "†"
READING = (
    "mean ± the longer arm of its 95 % interval in %, over n questions about k histories: a "
    "studentised bootstrap that resamples whole histories (Clopper-Pearson over histories where "
    "all score 0, or all 1)"
)
WEIGHING = f"{MEANING}; mean ± the longer arm of its 95 % interval, whole histories resampled"


def results_table(
    stored: Sequence[StoredRecord], *, emphasis: Mapping[str, str] | None = None
) -> Table:
    """Methods and writers down, benchmarks across.

    Args:
        stored: the records.
        emphasis: ``best`` or ``second`` by cell, as ``emphasised`` finds them; None for nothing.
    """
    records = [s.record for s in stored]
    protocols, names = column_titles(records), row_names(records)
    columns = _columns(records)
    footnotes = Footnotes()
    rows: dict[tuple[str, ...], dict[tuple[str, str, str], Cell]] = {}
    for record in records:
        marks = [LIMITED] if record.limited else []
        marks += [footnotes.mark(text) for text in record.deviations]
        cells = rows.setdefault(names[record.cell], {})
        for metric in (record.primary_metric, REFERENCE_NLL, *_judged(record)):
            told = (emphasis or {}).get(record.cell) if metric == record.primary_metric else None
            cells[record.bench, record.fingerprint, metric] = _cell(record, metric, marks, told)
    notes: list[Note | str] = [READING, *([RULE] if emphasis else [])]
    notes += [
        f"{title}: protocol {record.protocol}, fingerprint {record.fingerprint}"
        for title, record in protocols.values()
    ]
    if any(metric == REFERENCE_NLL for _, _, metric in columns):
        notes.append(WEIGHING)
    if any(r.limited for r in records):
        text = "only the first samples; not comparable with a full run"
        notes.append(Note(text=text, mark=LIMITED))
    return Table(
        name="scores",
        title="Scores",
        columns=[*LABELS, *columns.values()],
        labels=len(LABELS),
        rows=[
            [*key, *(cells.get(column, Cell(words=BLANK)) for column in columns)]
            for key, cells in sorted(rows.items())
        ],
        notes=[*notes, *footnotes.notes],
    )


def _columns(records: Sequence[Record]) -> dict[tuple[str, str, str], str]:
    """(bench, fingerprint, metric) -> title; besides the primary metric those that one has of
    the weight of its references, and of a judge.
    """
    columns = {}
    for protocol, (title, record) in column_titles(records).items():
        columns[(*protocol, record.primary_metric)] = title
        alike = [r for r in records if (r.bench, r.fingerprint) == protocol]
        others = [REFERENCE_NLL] if any(REFERENCE_NLL in r.metrics for r in alike) else []
        for metric in [*others, *dict.fromkeys(name for r in alike for name in _judged(r))]:
            columns[(*protocol, metric)] = metric_title(title, record, metric)
    return columns


def _judged(record: Record) -> list[str]:
    """Names of the scores that judges gave, over all questions."""
    return [name for name in record.measured if name.startswith(f"{JUDGED}, by ")]


def _cell(record: Record, metric: str, marks: Sequence[str], emphasis: str | None) -> Cell:
    estimate = score(record, metric)
    if estimate is None:
        return Cell(words=BLANK)
    return Cell(estimate=estimate, marks=tuple(marks), emphasis=emphasis)


def score(
    record: Record,
    metric: str | None = None,
    group: str | None = None,
    *,
    digits: int | None = None,
) -> Estimate | None:
    """A metric of a record, shares in percent; None where it was not measured.

    Args:
        record: of the run.
        metric: None is the primary one.
        group: of samples; None is all of them.
        digits: behind the point; None for as many as the metric is usually shown with.
    """
    name = metric or record.primary_metric
    found = record.measured.get(name)
    if found is None:
        return None
    scale, usual = shown_as(name)
    digits = usual if digits is None else digits
    if group is not None:
        part = found.groups.get(group)
        if part is None:
            return None
        return Estimate.of(part.mean, (part.lo, part.hi), scale=scale, n=part.n, digits=digits)
    return Estimate.of(
        found.mean, found.ci95, scale=scale, n=found.n, histories=found.clusters, digits=digits
    )
