"""Everything as plain values: the records whole, the tables cell by cell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from deltamem_evaluations.reporting.tables import Cell, Note, Report, Table

__all__ = ["finite", "json_content"]


def json_content(report: Report) -> dict[str, Any]:
    """``rows``: the records; ``tables``: what the other formats show, with numbers as numbers."""
    content = {
        "rows": [stored.record.to_json() for stored in report.records],
        "tables": [_table(table) for table in report.tables],
        "notes": list(report.notes),
    }
    plain: dict[str, Any] = finite(content)
    return plain


def _table(table: Table) -> dict[str, object]:
    return {
        "name": table.name,
        "title": table.title,
        "columns": list(table.columns),
        "rows": [[_cell(cell) for cell in row] for row in table.rows],
        "notes": [_note(note) for note in table.notes],
    }


def _cell(cell: Cell | str) -> dict[str, object]:
    if isinstance(cell, str):
        return {"text": cell}
    found: dict[str, object] = {"text": cell.text}
    if cell.estimate is not None:
        found |= {k: v for k, v in asdict(cell.estimate).items() if v is not None}
    if cell.marks:
        found["marks"] = list(cell.marks)
    if cell.emphasis is not None:
        found["emphasis"] = cell.emphasis
    return found


def _note(note: Note | str) -> dict[str, object]:
    return {"text": note} if isinstance(note, str) else asdict(note)


def finite(value: Any) -> Any:
    """The same with None for what is infinite or not a number: JSON has neither."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(name): finite(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value
