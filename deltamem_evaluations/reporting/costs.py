"""The costs of each run and its machine: scores are never shown without them."""

from __future__ import annotations

from collections.abc import Sequence

from deltamem_evaluations.records.record import Record
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.naming import column_titles, row_names
from deltamem_evaluations.reporting.tables import Cell, Estimate, Footnotes, Note, Table

__all__ = ["COSTS", "costs_table", "machine", "provenance_table"]

COSTS = {
    "prompt_tokens": ("tokens in prompt", 0),
    "written_tokens": ("tokens written", 0),
    "new_tokens": ("new tokens", 1),
    "trained_parameters": ("trained", 0),
    "state_bytes": ("state bytes", 0),
    "recalled_units": ("units shown", 1),
    "dropped_units": ("units dropped", 1),
    "write_seconds": ("s to write", 3),
    "answer_seconds": ("s per answer", 3),
    "tokens_per_second": ("tokens/s", 1),
    "peak_memory_mb": ("peak MB", 0),
}
"""The field of a record's costs -> title and digits."""
READING = (
    "means per question, with the time to write a history divided among its questions; state "
    "bytes per history; peak MB of the GPU, else of the whole process; compare times only if they "
    "are from one machine"
)


def machine(record: Record) -> str:
    """The machine or machines of a record, in words."""
    made = record.provenance.environment
    torch = [f"torch {version}" for version in made.versions.get("torch", ())]
    cores = [f"{cores} core{'' if cores == 1 else 's'}" for cores in made.cores]
    parts = [*made.device, *cores, *made.platform, *torch]
    return ", ".join(parts) or "an unknown machine"


def costs_table(stored: Sequence[StoredRecord]) -> Table:
    """A row for each record without a control: a control costs what its run costs."""
    records = [s.record for s in stored]
    names, titles = row_names(records), column_titles(records)
    plain = [r for r in records if r.control == "none"]
    machines = {machine(r) for r in plain}
    footnotes = Footnotes()
    rows: list[list[Cell | str]] = []
    for record in sorted(plain, key=lambda r: (names[r.cell], r.bench)):
        model, method, context, _ = names[record.cell]
        bench = titles[record.bench, record.fingerprint][0]
        marks = (footnotes.mark(f"on {machine(record)}"),) if len(machines) > 1 else ()
        where = Cell(words=model, marks=marks)
        rows.append([where, method, context, bench, *_costs(record)])
    notes: list[Note | str] = [READING, *footnotes.notes]
    notes += [f"all on {where}" for where in machines if len(machines) == 1]
    labels = ["model", "method", "context", "benchmark"]
    return Table(
        name="costs",
        title="Costs",
        columns=[*labels, *(title for title, _ in COSTS.values())],
        labels=len(labels),
        rows=rows,
        notes=notes,
    )


def _costs(record: Record) -> list[Cell]:
    values = ((record.cost.named(name), digits) for name, (_, digits) in COSTS.items())
    return [Cell.of(None if v is None else Estimate.of(v, digits=d)) for v, d in values]


def provenance_table(stored: Sequence[StoredRecord]) -> Table:
    """Where each number comes from: code, data, weights, machine."""
    return Table(
        name="provenance",
        title="Provenance",
        columns=["cell", "date", "commit", "data", "weights", "seed", "machine", "samples"],
        rows=[_provenance(one) for one in sorted(stored, key=lambda s: s.record.cell)],
        folded=True,
    )


def _provenance(stored: StoredRecord) -> list[str]:
    record = stored.record
    made, data = record.provenance.environment, record.provenance.data
    commit = " and ".join(c[:10] for c in made.git_commit) or "unknown"
    digest = data.sha256 and f"sha256 {data.sha256[:10]}"
    source = [data.source, data.subset, data.revision, digest]
    return [
        record.cell,
        record.date,
        commit + (" with changes" if any(made.git_dirty) else ""),
        ", ".join(str(part) for part in source if part),
        (record.weights_sha or "")[:10],
        str(record.seed),
        machine(record),
        "here" if stored.samples is not None else "not here",
    ]
