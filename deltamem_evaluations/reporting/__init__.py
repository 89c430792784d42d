"""Records to a report: one description of its tables, and a renderer for each format."""

from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.as_markdown import markdown
from deltamem_evaluations.reporting.assembly import make_report
from deltamem_evaluations.reporting.attribution import attribute
from deltamem_evaluations.reporting.collection import SampleReader, collect
from deltamem_evaluations.reporting.results import results_table
from deltamem_evaluations.reporting.tables import Cell, Estimate, Note, Report, Table, percent

__all__ = [
    "Cell",
    "Estimate",
    "Note",
    "Report",
    "SampleReader",
    "StoredRecord",
    "Table",
    "attribute",
    "collect",
    "make_report",
    "markdown",
    "percent",
    "results_table",
]
