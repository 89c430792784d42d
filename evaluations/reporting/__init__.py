"""Records to a report: one description of its tables, and a renderer for each format."""

from evaluations.records.stored import StoredRecord
from evaluations.reporting.as_markdown import markdown
from evaluations.reporting.assembly import make_report
from evaluations.reporting.attribution import attribute
from evaluations.reporting.collection import SampleReader, collect
from evaluations.reporting.results import results_table
from evaluations.reporting.tables import Cell, Estimate, Note, Report, Table, percent

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
