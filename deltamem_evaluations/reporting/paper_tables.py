"""Our numbers beside the paper's: its tables, each row as ours, as printed, and the difference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from deltamem_evaluations.paper.numbers import AVERAGE, Column, Paper, Published, Row, Table
from deltamem_evaluations.records.record import Record
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting import tables
from deltamem_evaluations.reporting.averages import Averages, averages
from deltamem_evaluations.reporting.counterparts import Counterpart, columns_of, counterpart
from deltamem_evaluations.reporting.results import score
from deltamem_evaluations.reporting.tables import Cell, Estimate, Footnotes, Note

__all__ = ["paper_tables"]

DIGITS = 2
"""Decimals that the paper prints."""
MEASURED = "average of measured cells"
CONFIDENCE = {"single": "one reading of the paper only"}
READING = (
    "difference: ours - the paper's; its interval is that of our number, as the paper prints none"
)
FILLED = (
    "average: a blank cell counts with the value of {reference}, the paper's or ours; average of "
    "measured cells: over the cells that both have"
)


def paper_tables(stored: Sequence[StoredRecord], paper: Paper) -> list[tables.Table]:
    """Each table of the paper for which there is a record of ours."""
    records = [s.record for s in stored]
    found = []
    for table in paper.tables.values():
        columns = columns_of(table)
        rows = {row.name: counterpart(records, row, columns) for row in table.rows}
        ours = {name: one for name, one in rows.items() if one is not None}
        if ours:
            found.append(_Beside(table, columns, ours).table(paper.source))
    return found


@dataclass(frozen=True)
class _Beside:
    """One table of the paper with our counterparts by row."""

    printed: Table
    columns: Mapping[str, Column]
    ours: Mapping[str, Counterpart]

    @cached_property
    def scores(self) -> dict[str, dict[str, Estimate]]:
        """Our numbers by row and column."""
        return {
            row: {
                name: estimate
                for name, record in one.records.items()
                if (estimate := _ours(record, self.columns[name])) is not None
            }
            for row, one in self.ours.items()
        }

    def table(self, source: str) -> tables.Table:
        footnotes = Footnotes()
        shown = [c for c in self.printed.columns if c.name != AVERAGE]
        averaged = len(shown) < len(self.printed.columns)
        has_cells = averaged and bool(shown)
        rows: list[list[Cell | str]] = []
        for row in self.printed.rows:
            triples = [self._column(row, column, footnotes) for column in shown]
            means = averages(self.printed, row.name, self.scores)
            triples += [self._filled(row, means, footnotes)] if averaged else []
            triples += [self._measured(row, means, footnotes)] if has_cells else []
            rows += self._lines(row, triples, footnotes)
        titles = [c.title for c in shown] + [AVERAGE] * averaged + [MEASURED] * has_cells
        return tables.Table(
            name=f"paper-{self.printed.name}",
            title=f"{self.printed.title}: ours beside {source}",
            columns=["row", "whose", *titles],
            labels=2,
            rows=rows,
            notes=[*self._notes(), *footnotes.notes],
            sortable=False,
        )

    def _lines(
        self, row: Row, triples: Sequence[Sequence[Cell]], footnotes: Footnotes
    ) -> list[list[Cell | str]]:
        """One line for what is only printed, three where there is one of ours."""
        mine, printed, apart = zip(*triples, strict=True)
        if row.name not in self.ours:
            return [[row.name, "paper", *printed]]
        marks: tuple[str, ...] = ()
        if others := self.ours[row.name].others:
            text = (
                f"{others} more of our configurations match this row; the one that covers most "
                "columns is shown, or the newest of several"
            )
            marks = (footnotes.mark(text),)
        name = Cell(words=row.name, marks=marks)
        return [[name, "ours", *mine], ["", "paper", *printed], ["", "difference", *apart]]

    def _column(self, row: Row, column: Column, footnotes: Footnotes) -> tuple[Cell, Cell, Cell]:
        mine = self.scores.get(row.name, {}).get(column.name)
        printed = self.printed.cells.get((row.name, column.name))
        marks = []
        if mine is not None:
            deviations = self.ours[row.name].records[column.name].deviations
            marks += [footnotes.mark(text) for text in deviations if column.bench is not None]
            if column.n is not None and mine.n != column.n:
                marks.append(footnotes.mark(f"{mine.n} of the benchmark's {column.n} questions"))
        return _triple(mine, marks, printed, column, footnotes)

    def _filled(self, row: Row, means: Averages, footnotes: Footnotes) -> tuple[Cell, Cell, Cell]:
        printed = self.printed.cells.get((row.name, AVERAGE))
        return _triple(means.filled, [], printed, None, footnotes)

    def _measured(self, row: Row, means: Averages, footnotes: Footnotes) -> tuple[Cell, Cell, Cell]:
        of = len(self.printed.average_of)
        marks = []
        if means.cells and len(means.cells) < of:
            titles = ", ".join(self.columns[name].title for name in means.cells)
            marks = [footnotes.mark(f"over {len(means.cells)} of {of}: {titles}")]
        theirs = None if means.published is None else _printed(means.published)
        return (
            Cell.of(means.measured, *marks),
            Cell.of(theirs, *marks),
            Cell.of(_apart(means.measured, means.published)),
        )

    def _notes(self) -> list[Note | str]:
        notes: list[Note | str] = [READING]
        for reference in dict.fromkeys(row.reference for row in self.printed.rows):
            if reference is not None:
                blank = {self.printed.source(r.name, c) for r, c in self._averaged()}
                notes += [FILLED.format(reference=reference)] if reference in blank else []
                notes += self._drift(reference)
        missing = len(self.printed.rows) - len(self.ours)
        if missing and self.printed.experiment:
            notes.append(
                f"{missing} of {len(self.printed.rows)} rows are still to be run: deltamem ablate "
                f"experiment={self.printed.experiment}"
            )
        return notes

    def _averaged(self) -> list[tuple[Row, str]]:
        """Rows other than the references, with the columns of their averages."""
        rows = [row for row in self.printed.rows if row.reference is not None]
        return [(row, column) for row in rows for column in self.printed.average_of]

    def _drift(self, reference: str) -> list[str]:
        """Where our bare backbone is not the paper's, the other rows are not either."""
        found = []
        for name, mine in self.scores.get(reference, {}).items():
            printed = self.printed.cells.get((reference, name))
            apart = None if printed is None else _apart(mine, printed.value)
            if apart is None or apart.low is None or apart.high is None:
                continue
            if apart.low > 0 or apart.high < 0:
                found.append(
                    f"our {reference} differs from the paper's on {self.columns[name].title} "
                    f"({apart.text}): the cause may affect the other rows as well"
                )
        return found


def _ours(record: Record, column: Column) -> Estimate | None:
    if column.cost is None:
        return score(record, column.metric, column.group, digits=DIGITS)
    value = record.cost.named(column.cost)
    return None if value is None else Estimate.of(value, digits=0)


def _triple(
    mine: Estimate | None,
    marks: Sequence[str],
    printed: Published | None,
    column: Column | None,
    footnotes: Footnotes,
) -> tuple[Cell, Cell, Cell]:
    """Ours, the paper's, the difference."""
    if printed is None:
        return Cell.of(mine, *marks), Cell.of(None), Cell.of(None)
    texts = [CONFIDENCE[printed.confidence]] if printed.confidence in CONFIDENCE else []
    if printed.others:
        others = " and ".join(f"{value:.{DIGITS}f}" for value in printed.others)
        texts.append(f"other readings have {others}")
    texts += printed.notes
    digits = 0 if column is not None and column.cost is not None else DIGITS
    theirs = replace(_printed(printed.value), digits=digits)
    return (
        Cell.of(mine, *marks),
        Cell.of(theirs, *map(footnotes.mark, texts)),
        Cell.of(_apart(mine, printed.value)),
    )


def _printed(value: float) -> Estimate:
    return Estimate(value=value, digits=DIGITS)


def _apart(mine: Estimate | None, theirs: float | None) -> Estimate | None:
    """The difference, with the interval of ours."""
    if mine is None or theirs is None:
        return None
    ends = (mine.low, mine.high)
    low, high = (None if end is None else end - theirs for end in ends)
    return Estimate(
        value=mine.value - theirs, low=low, high=high, digits=mine.digits, difference=True
    )
