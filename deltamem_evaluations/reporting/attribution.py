"""Is it memory? The parts of a gain: the adapter alone, and the content of the state.

    total gain     own state - bare backbone
    adapter part   the state of another sample (or an empty one) - bare backbone
    memory part    own state - the state of another sample (or an empty one)

All three are paired by question over the samples that all runs answered, so they close: total gain
= adapter part + memory part. A foreign state is preferred: an empty one also lacks whatever any
state does to the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from deltamem_evaluations.metrics.likelihood import MEANING, REFERENCE_NLL, shown_as
from deltamem_evaluations.metrics.paired import Paired
from deltamem_evaluations.records.record import Record
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.collection import SampleReader
from deltamem_evaluations.reporting.differences import paired
from deltamem_evaluations.reporting.naming import column_titles, metric_title, row_names
from deltamem_evaluations.reporting.tables import BLANK, Cell, Estimate, Footnotes, Note, Table

__all__ = [
    "CONTROLS",
    "REFERENCE",
    "Attribution",
    "Parts",
    "attribute",
    "attribution_table",
    "bare_backbone",
    "is_bare",
    "outlined_command",
]

CONTROLS = ("foreign", "zero")
"""Controls that replace a question's own state; the first is preferred."""
IN_VIEW, IN_PART = "visible", "part"
REFERENCE = "reference"
"""The family of the bare backbone, in a record's settings of its method."""
NOT_HERE = "the samples of {} are not on this machine (a record alone cannot be paired)"

Command = Callable[[Record, str], str]
"""The command that makes what is missing beside a run: one of the controls, or the reference."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """A gain and what it is made of; None where runs or samples are missing."""

    total: Paired | None = None
    adapter: Paired | None = None
    memory: Paired | None = None

    @property
    def each(self) -> tuple[Paired | None, Paired | None, Paired | None]:
        """All three, in the order of the table's columns."""
        return self.total, self.adapter, self.memory


@dataclass(frozen=True, kw_only=True)
class Attribution(Parts):
    """One run with a state, beside the backbone and one control."""

    own: StoredRecord
    control: str
    reference: StoredRecord | None
    other: StoredRecord | None
    """The run under the control."""
    weighed: Parts = Parts()
    """The same of the weight of the references, in nats."""


def attribute(stored: Sequence[StoredRecord], *, reader: SampleReader) -> list[Attribution]:
    """A gain taken apart for each run with an adapter and each control, benchmark by benchmark."""
    found = []
    for own in sorted(stored, key=_place):
        if own.record.control != "none" or own.record.provenance.method.adapter_sha is None:
            continue
        reference = bare_backbone(own, stored)
        for control in CONTROLS:
            other = next((s for s in stored if _is_control(s.record, own.record, control)), None)
            found.append(_taken_apart(own, control, reference, other, reader))
    return found


def _place(stored: StoredRecord) -> tuple[str, ...]:
    record = stored.record
    fields = (record.bench, record.fingerprint, record.model, record.method, record.writer or "")
    return (*fields, record.context, record.cell)


def _asked(record: Record) -> tuple[object, ...]:
    """The questions and the model: equal where two runs may be compared."""
    weights = record.provenance.backbone.model_fingerprint
    return record.model, weights, record.bench, record.fingerprint, record.limited, record.n


def _is_control(one: Record, own: Record, control: str) -> bool:
    made, theirs = one.provenance, own.provenance
    same = (made.method, made.backbone) == (theirs.method, theirs.backbone)
    seen_alike = (one.context, one.seed) == (own.context, own.seed)
    return one.control == control and same and seen_alike and _asked(one) == _asked(own)


def bare_backbone(own: StoredRecord, stored: Iterable[StoredRecord]) -> StoredRecord | None:
    """The bare backbone on a run's questions, with the history in view if the run shows any of it.

    Args:
        own: the run.
        stored: where to look.
    """
    shown = IN_VIEW if own.record.context == IN_PART else own.record.context
    found = [
        one
        for one in stored
        if is_bare(one.record)
        and one.record.context == shown
        and _asked(one.record) == _asked(own.record)
    ]
    return min(found, key=lambda one: one.record.seed != own.record.seed, default=None)


def is_bare(record: Record) -> bool:
    """Whether the backbone alone answered."""
    return record.provenance.method.family == REFERENCE and record.control == "none"


def _taken_apart(
    own: StoredRecord,
    control: str,
    reference: StoredRecord | None,
    other: StoredRecord | None,
    reader: SampleReader,
) -> Attribution:
    found = _parts(own, reference, other, reader=reader)
    return Attribution(
        own=own,
        control=control,
        reference=reference,
        other=other,
        weighed=_parts(own, reference, other, reader=reader, metric=REFERENCE_NLL),
        **vars(found),
    )


def _parts(
    own: StoredRecord,
    reference: StoredRecord | None,
    other: StoredRecord | None,
    *,
    reader: SampleReader,
    metric: str | None = None,
) -> Parts:
    compared = partial(paired, reader=reader, metric=metric)
    if reference is not None and other is not None:
        runs = [reference, other, own]
        total, adapter, memory = (compared(runs, which) for which in ((0, 2), (0, 1), (1, 2)))
        return Parts(total=total, adapter=adapter, memory=memory)
    if reference is not None:
        return Parts(total=compared([reference, own], (0, 1)))
    if other is not None:
        return Parts(memory=compared([other, own], (0, 1)))
    return Parts()


def attribution_table(
    attributions: Sequence[Attribution], *, stored: Sequence[StoredRecord], command: Command
) -> Table:
    """One line for each run and control; what is missing is said with the command that makes it.

    Args:
        attributions: of :func:`attribute`.
        stored: all records of the report, which name the rows.
        command: see :data:`Command`.
    """
    records = [s.record for s in stored]
    names, titles = row_names(records), column_titles(records)
    footnotes = Footnotes()
    rows: list[list[Cell | str]] = []
    for one in attributions:
        record = one.own.record
        model, method, context, _ = names[record.cell]
        gaps = tuple(footnotes.mark(gap) for gap in _gaps(one, command))
        against = Cell(words=one.control, marks=gaps)
        bench = titles[record.bench, record.fingerprint][0]
        around = [model, method, context]
        rows.append([*around, bench, against, *_shown(one, record.primary_metric), *_sizes(one)])
        if any(one.weighed.each):
            named = metric_title(bench, record, REFERENCE_NLL)
            shown = [*_shown(one.weighed, REFERENCE_NLL), *_sizes(one.weighed)]
            rows.append([*around, named, Cell(words=one.control), *shown])
    labels = ["model", "method", "context", "benchmark", "against a state that is"]
    columns = [*labels, "total gain", "adapter part", "memory part", "n", "k"]
    notes: list[Note | str] = [
        "in points of %, with 95 % intervals: total gain = own state - bare backbone; adapter part "
        "= foreign (or zero) state - bare backbone; memory part = own - foreign (or zero) state",
        "paired over the n questions that all runs answered; whole histories (k) are resampled; "
        "each question counts once",
    ]
    if any(any(one.weighed.each) for one in attributions):
        notes.append(f"{MEANING}, so that a gain is below 0")
    return Table(
        name="attribution",
        title="Attribution: is it memory?",
        columns=columns,
        labels=len(labels),
        rows=rows,
        notes=[*notes, *footnotes.notes],
    )


def _shown(parts: Parts, metric: str) -> list[Cell]:
    scale, digits = shown_as(metric)
    return [
        Cell(words=BLANK)
        if found is None
        else Cell.of(
            Estimate.of(found.effect, found.ci95, scale=scale, digits=digits, difference=True)
        )
        for found in parts.each
    ]


def _sizes(parts: Parts) -> list[Cell]:
    found = next((part for part in parts.each if part is not None), None)
    counts = (None, None) if found is None else (found.n, found.clusters)
    return [Cell.of(None if c is None else Estimate.of(c, digits=0)) for c in counts]


def _gaps(one: Attribution, command: Command) -> list[str]:
    """Runs that are missing from a line."""
    wanted = {one.control: one.other, REFERENCE: one.reference}
    gaps = [
        f"missing: {command(one.own.record, name)}" for name, run in wanted.items() if run is None
    ]
    known = [run for run in (one.own, *wanted.values()) if run is not None]
    gaps += [NOT_HERE.format(run.record.cell) for run in known if run.samples is None]
    parts = one.each
    if not gaps and None in parts:
        gaps.append("these runs did not answer the same samples: run one of them again")
    if any(part is not None and part.resampled == "questions" for part in parts):
        gaps.append("a single history: questions are resampled, and the interval is too narrow")
    return gaps


def outlined_command(record: Record, what: str) -> str:
    """The command for a control of a run, or for its reference, as far as the record says."""
    own = "method=<the bare backbone>" if what == REFERENCE else f"method={record.method}"
    words = [f"bench={record.bench}", f"model={record.model}", own, f"context={record.context}"]
    if what != REFERENCE:
        words += [f"writer={record.writer}"] if record.writer else []
        words.append(f"control={what}")
    return " ".join(["deltamem eval", *words, f"seed={record.seed}"])
