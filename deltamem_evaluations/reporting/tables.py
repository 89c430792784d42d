"""The content of a report, whatever it is rendered to: tables of estimates, notes, provenance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deltamem_evaluations.records.stored import StoredRecord

__all__ = [
    "BEST",
    "BLANK",
    "SECOND",
    "Cell",
    "Estimate",
    "Footnotes",
    "Note",
    "Report",
    "Table",
    "percent",
]

BLANK = "–"
BEST, SECOND = "best", "second"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number as it is shown: its unit is that of its column, and every field is finite."""

    value: float
    low: float | None = None
    """Lower end of the 95 % interval; None where there is no interval."""
    high: float | None = None
    n: int | None = None
    """Questions."""
    histories: int | None = None
    digits: int = 1
    difference: bool = False
    """Shown with its sign and both ends of its interval."""

    @property
    def text(self) -> str:
        """``76.5 ± 7.0 (n=230, k=130)``, for a difference ``+1.2 [-0.5, +2.9]``."""
        if self.difference:
            ends = "" if self.low is None or self.high is None else self._range()
            return f"{self._number(self.value)}{ends}"
        parts = [self._number(self.value)]
        if self.low is not None and self.high is not None:
            half = max(self.value - self.low, self.high - self.value)
            parts.append(f"± {half:,.{self.digits}f}")
        if self.n is not None:
            k = "" if self.histories is None else f", k={self.histories}"
            parts.append(f"(n={self.n}{k})")
        return " ".join(parts)

    def _number(self, value: float) -> str:
        sign = "+" if self.difference else ""
        text = f"{value:{sign},.{self.digits}f}"
        # what rounds to nothing has no sign
        return f"{0:{sign},.{self.digits}f}" if float(text.replace(",", "")) == 0 else text

    def _range(self) -> str:
        assert self.low is not None
        assert self.high is not None
        return f" [{self._number(self.low)}, {self._number(self.high)}]"

    @staticmethod
    def of(
        value: float,
        ends: Sequence[float] | None = None,
        *,
        scale: float = 1.0,
        n: int | None = None,
        histories: int | None = None,
        digits: int = 1,
        difference: bool = False,
    ) -> Estimate | None:
        """An estimate of a value and its interval, both to be scaled; an infinite interval is none.

        Returns:
            None where the value itself is not finite.
        """
        if not math.isfinite(value):
            return None
        known = ends is not None and all(math.isfinite(end) for end in ends)
        low, high = (scale * end for end in ends) if ends is not None and known else (None, None)
        return Estimate(
            value=scale * value,
            low=low,
            high=high,
            n=n,
            histories=histories,
            digits=digits,
            difference=difference,
        )


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell: an estimate or words, with what is said about it."""

    words: str = ""
    estimate: Estimate | None = None
    marks: tuple[str, ...] = ()
    """Marks of the table's notes."""
    emphasis: str | None = None
    """``best``, ``second``, or None."""

    @property
    def text(self) -> str:
        """The content without marks and emphasis."""
        return self.words if self.estimate is None else self.estimate.text

    @staticmethod
    def of(estimate: Estimate | None, *marks: str) -> Cell:
        """A number, or a dash where there is none."""
        return Cell(words=BLANK) if estimate is None else Cell(estimate=estimate, marks=marks)


@dataclass(frozen=True, kw_only=True)
class Note:
    """A sentence below a table."""

    text: str
    mark: str | None = None
    """The mark by which cells refer to it; None for a note on the whole table."""

    @property
    def line(self) -> str:
        """The sentence with its mark before it."""
        return self.text if self.mark is None else f"[{self.mark}] {self.text}"


class Footnotes:
    """Gives each text a number once."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def mark(self, text: str) -> str:
        """The mark of a note with this text."""
        return self._numbers.setdefault(text, str(len(self._numbers) + 1))

    @property
    def notes(self) -> list[Note]:
        """The notes in the order of their numbers."""
        return [Note(text=text, mark=mark) for text, mark in self._numbers.items()]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of cells under titled columns, and what has to be said below them."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    notes: Sequence[Note | str] = ()
    name: str = "table"
    """Letters, digits and dashes: an anchor and a label."""
    title: str | None = None
    labels: int = 1
    """How many columns, from the first on, say what a row is."""
    sortable: bool = True
    """Whether rows stand for themselves, in any order."""
    folded: bool = False
    """Whether it is for those who look closely: shown last, and closed where a format can."""

    @property
    def numeric(self) -> set[int]:
        """The columns that hold estimates, by their number."""
        return {
            i
            for row in self.rows
            for i, cell in enumerate(row)
            if isinstance(cell, Cell) and cell.estimate is not None
        }


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that is rendered."""

    title: str
    tables: Sequence[Table]
    records: Sequence[StoredRecord]
    notes: Sequence[str] = ()
    """Notes on the whole report, such as what was left out and why."""


def percent(mean: float, low: float, high: float, *, digits: int = 1) -> str:
    """``97.5 ± 3.8``: a share in percent, and the longer arm of its interval."""
    half = 100 * max(mean - low, high - mean)
    return f"{100 * mean:.{digits}f} ± {half:.{digits}f}"
