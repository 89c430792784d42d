"""The published numbers, each with how well it is established: ``results/paper.yaml``.

A table is rows by columns. A row says which records are its counterpart (model, method, writer,
...), a column which metric of them; a cell is one printed number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from deltamem_base.faults import InvalidData, InvalidInput, first_line
from deltamem_base.json_text import read_text

__all__ = ["AVERAGE", "CONFIDENCES", "Column", "Paper", "Published", "Row", "Table"]

CONFIDENCES = ("agreed", "single", "disputed")
AVERAGE = "average"
"""The column whose cells are means of others."""
UNFIT = (KeyError, TypeError, AttributeError, ValueError, RecursionError, OverflowError)
"""Faults of YAML whose content is not of the file's shape."""
Place = tuple[str, str, str]
"""Table, row, column."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """The quantity in a column, in the words of a record."""

    name: str
    title: str
    bench: str | None = None
    """None: not a score of one benchmark, but an average or a cost."""
    metric: str | None = None
    group: str | None = None
    """Only the samples of this group; None is all."""
    n: int | None = None
    """Samples in the whole benchmark, or in the group."""
    unit: str = "score"
    """``score`` and ``percent`` are in percent; else the unit of a cost."""
    cost: str | None = None
    """The field of a record's costs."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of a table, and the settings of the records that are its counterpart."""

    name: str
    settings: Mapping[str, str]
    reference: str | None = None
    """The row of the bare backbone; None for itself, or where there is none."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """One printed number."""

    table: str
    row: str
    column: str
    value: float
    confidence: str
    """``agreed``, ``single`` or ``disputed``."""
    others: tuple[float, ...] = ()
    """Values that other readings of the paper have in its place."""
    notes: tuple[str, ...] = ()
    """Known disagreements that touch it."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table or figure of the paper."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]
    cells: Mapping[tuple[str, str], Published]
    """(row, column) -> the printed number; a blank cell is not there."""
    average_of: tuple[str, ...] = ()
    """Columns whose mean is the average."""
    measured_by: Mapping[str, Column] = field(default_factory=dict)
    """Every column of the paper by its name: an average may be over columns of another table."""
    experiment: str | None = None
    """The experiment that produces our counterpart."""
    released: Mapping[str, str] = field(default_factory=dict)
    """A row of that experiment that runs a released adapter -> the row that is printed of it."""

    def row(self, name: str) -> Row:
        """One row by its name."""
        return next(row for row in self.rows if row.name == name)

    def with_released(self) -> Table:
        """The same table with a row for each released adapter, for runs of the authors' weights."""
        rows, cells = list(self.rows), dict(self.cells)
        for name, printed in self.released.items():
            rows.append(replace(self.row(printed), name=name))
            for (row, column), cell in self.cells.items():
                if row == printed:
                    cells[name, column] = replace(cell, row=name)
        return replace(self, rows=rows, cells=cells)

    def source(self, row: str, column: str) -> str:
        """The row whose cell enters an average: the reference's where the row's own is blank."""
        reference = self.row(row).reference
        blank = (row, column) not in self.cells and (reference, column) in self.cells
        return str(reference) if blank else row

    def averaged(self, row: str) -> float | None:
        """The mean of a row's cells, blanks filled by the reference; None where one is unknown."""
        cells = [self.cells.get((self.source(row, c), c)) for c in self.average_of]
        values = [cell.value for cell in cells if cell is not None]
        return sum(values) / len(values) if values and len(values) == len(cells) else None


@dataclass(frozen=True, kw_only=True)
class Paper:
    """All that was published."""

    source: str
    tables: Mapping[str, Table]
    not_published: Sequence[str] = ()

    def cell(self, table: str, row: str, column: str) -> Published:
        """One printed number.

        Raises:
            InvalidInput: there is none.
        """
        found = self.table(table).cells.get((row, column))
        if found is None:
            raise InvalidInput(f"{table} has no number for row '{row}' and column '{column}'")
        return found

    def table(self, name: str) -> Table:
        """One table; ``1`` is ``table1``.

        Raises:
            InvalidInput: there is no such table.
        """
        for known in (name, f"table{name}"):
            if known in self.tables:
                return self.tables[known]
        raise InvalidInput(
            f"the paper has no table '{name}'; choose one of " + ", ".join(self.tables)
        )

    @staticmethod
    def read(path: Path) -> Paper:
        """The published numbers from their file.

        Raises:
            InvalidData: the file is not there, is not YAML, or an entry is not of its shape.
        """
        import yaml

        try:
            return _paper(yaml.safe_load(read_text(path)))
        except InvalidData:  # of its text
            raise
        except (*UNFIT, yaml.YAMLError) as fault:
            said = first_line(fault)
            raise InvalidData(f"{path} does not hold published numbers: {said}") from fault


def _paper(tree: Mapping[str, Any]) -> Paper:
    columns = {name: Column(name=name, **entry) for name, entry in tree["columns"].items()}
    notes: dict[Place, list[str]] = {}
    for entry in tree["disagreements"]:
        for table, row, column in entry["cells"]:
            notes.setdefault((table, row, column), []).append(entry["text"])
    tables = {n: _table(n, entry, columns, notes) for n, entry in tree["tables"].items()}
    return Paper(source=tree["source"], tables=tables, not_published=tree["not_published"])


def _table(
    name: str,
    entry: Mapping[str, Any],
    columns: Mapping[str, Column],
    notes: Mapping[Place, Sequence[str]],
) -> Table:
    shared = entry.get("settings", {})
    rows, cells = [], {}
    for row, content in entry["rows"].items():
        rows.append(_row(row, content, shared, entry.get("reference")))
        usual = content.get("confidence", entry["confidence"])
        for column, value in content["values"].items():
            others = tuple(content.get("others", {}).get(column, ()))
            confidence = "single" if column in content.get("single", ()) else usual
            cells[row, column] = Published(
                table=name,
                row=row,
                column=columns[column].name,
                value=float(value),
                confidence=_known("disputed" if others else confidence),
                others=others,
                notes=tuple(notes.get((name, row, column), ())),
            )
    return Table(
        name=name,
        title=entry["title"],
        columns=[columns[c] for c in entry["columns"]],
        rows=rows,
        cells=cells,
        average_of=tuple(entry.get("average_of", ())),
        measured_by=columns,
        experiment=entry.get("experiment"),
        released=dict(entry.get("released", {})),
    )


def _row(
    name: str, content: Mapping[str, Any], shared: Mapping[str, str], reference: str | None
) -> Row:
    own = content.get("reference", reference)
    settings = {**shared, **content.get("settings", {})}
    return Row(name=name, settings=settings, reference=None if own == name else own)


def _known(confidence: str) -> str:
    if confidence not in CONFIDENCES:
        raise ValueError(f"confidence '{confidence}' is none of {', '.join(CONFIDENCES)}")
    return confidence
