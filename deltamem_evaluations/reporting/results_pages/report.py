"""The report on a folder of published results, and its page."""

from __future__ import annotations

from collections.abc import Sequence

from deltamem_evaluations.figures.inline_svg import inline_svg
from deltamem_evaluations.figures.plots import Drawing
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.as_html import tables_page
from deltamem_evaluations.reporting.assembly import make_report
from deltamem_evaluations.reporting.costs import machine
from deltamem_evaluations.reporting.results_pages.capacities import capacities, capacity_table
from deltamem_evaluations.reporting.results_pages.folder import PublishedFolder
from deltamem_evaluations.reporting.results_pages.pictures import Picture
from deltamem_evaluations.reporting.results_pages.tables import (
    commands_table,
    gains_table,
    scores_table,
)
from deltamem_evaluations.reporting.tables import Report, Table

__all__ = ["published_page", "published_report"]


def published_report(folder: PublishedFolder) -> Report:
    """Tables of all experiments, of runs that belong to none, and where every number comes from."""
    tables: list[Table] = []
    for experiment in folder.experiments:
        tables.append(scores_table(folder, experiment))
        gains = gains_table(folder, experiment)
        tables += [] if gains is None else [gains]
        curves = capacities(folder, experiment)
        tables += [capacity_table(curves, experiment)] if curves else []
    tables += [commands_table(folder, experiment) for experiment in folder.experiments]
    if folder.loose:
        loose = make_report(folder.loose, paper=None, reader=folder.reader)
        tables += [table for table in loose.tables if table.name != "provenance"]
    tables.append(_origins(folder))
    return Report(
        title=f"Results: {folder.path.name}",
        tables=tables,
        records=list(folder.runs.values()),
        notes=list(folder.reader.left_out.values()),
    )


def _origins(folder: PublishedFolder) -> Table:
    return Table(
        name="origins",
        title="Who measured, where, when, at which commit",
        columns=["run", "by", "date", "commit", "machine", "weights", "texts", "command"],
        rows=[_origin(stored) for stored in folder.runs.values()],
        notes=["the command repeats one run; the experiment's command makes the trained weights"],
        folded=True,
    )


def _origin(stored: StoredRecord) -> list[str]:
    record, said = stored.record, stored.publication
    made = record.provenance.environment
    commit = " and ".join(c[:10] for c in made.git_commit) or "unknown"
    return [
        record.cell,
        "" if said is None else said.measured_by,
        record.date,
        commit + (" with changes" if any(made.git_dirty) else ""),
        machine(record),
        (record.weights_sha or "")[:10],
        "" if said is None else said.texts,
        "" if said is None else said.command,
    ]


def published_page(report: Report, pictures: Sequence[Picture]) -> str:
    """One HTML page without a network: the tables with the pictures in place."""
    drawings = [
        Drawing(
            title=one.title,
            svg=inline_svg(one.svg, prefix=f"f{number}-", label=one.title),
            section=one.section,
        )
        for number, one in enumerate(pictures)
    ]
    return tables_page(report, drawings)
