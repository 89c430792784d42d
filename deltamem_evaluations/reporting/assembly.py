"""From records to the whole report."""

from __future__ import annotations

from collections.abc import Sequence

from deltamem_evaluations.paper.numbers import Paper
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.attribution import (
    Attribution,
    Command,
    attribute,
    attribution_table,
    outlined_command,
)
from deltamem_evaluations.reporting.collection import SampleReader
from deltamem_evaluations.reporting.costs import costs_table, provenance_table
from deltamem_evaluations.reporting.emphasis import emphasised
from deltamem_evaluations.reporting.paper_tables import paper_tables
from deltamem_evaluations.reporting.results import results_table
from deltamem_evaluations.reporting.tables import Report

__all__ = ["make_report"]


def make_report(
    stored: Sequence[StoredRecord],
    *,
    paper: Paper | None,
    reader: SampleReader,
    attributions: Sequence[Attribution] | None = None,
    command: Command | None = None,
    notes: Sequence[str] = (),
) -> Report:
    """All tables that the records allow.

    Args:
        stored: complete records.
        paper: the published numbers; None leaves the comparison out.
        reader: of samples.
        attributions: where :func:`attribute` was called already.
        command: how a missing run is made; None is :func:`outlined_command`.
        notes: on the whole report.
    """
    parts = attribute(stored, reader=reader) if attributions is None else attributions
    tables = [results_table(stored, emphasis=emphasised(stored, reader=reader))]
    if parts:
        tables.append(attribution_table(parts, stored=stored, command=command or outlined_command))
    tables += [] if paper is None else paper_tables(stored, paper)
    tables += [costs_table(stored), provenance_table(stored)]
    return Report(
        title="Results", tables=tables, records=stored, notes=[*notes, *reader.left_out.values()]
    )
