"""GitHub tables whose source is aligned, so that a terminal shows them as well."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deltamem_base.printable import printable
from deltamem_evaluations.reporting.tables import BEST, SECOND, Cell, Note, Report, Table

__all__ = ["markdown", "markdown_report"]

EMPHASIS = {BEST: "**{}**", SECOND: "<ins>{}</ins>"}
MARKUP = "\\|<*`~"
"""Characters that GitHub reads as markup wherever they stand."""
ESCAPES = {**{char: f"\\{char}" for char in MARKUP}, "\n": " ", "\r": " ", "\t": " "}
BRACKETS = re.compile(r"\](?=[(\[:])")
"""The bracket that a link's address, or its definition, would follow; all others are text, and a
command with a list in it can be copied."""
LINK = re.compile(r"(?<=\w)(:)(?=//)|(?<=www)(\.)", re.IGNORECASE)
"""The place of an address at which a backslash keeps it from becoming a link."""


def markdown(table: Table, *, title: str | None = None, width: int | None = None) -> str:
    """One table, with its notes below.

    Args:
        table: what is shown.
        title: heading above it.
        width: characters of a terminal; a wider table comes in parts, one below the other, each
            with the columns that say what a row is. None leaves it in one piece.
    """
    lines = [[_plain(column) for column in table.columns]]
    lines += [[_cell(cell) for cell in row] for row in table.rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(table.columns))]
    parts = [
        "\n".join(_aligned([[line[i] for i in part] for line in lines], [widths[i] for i in part]))
        for part in _parts(widths, labels=table.labels, width=width)
    ]
    head = [f"# {title}\n"] if title else []
    notes = ["", *(f"- {_note(note)}" for note in table.notes)] if table.notes else []
    return "\n".join([*head, "\n\n".join(parts), *notes]) + "\n"


def _parts(widths: Sequence[int], *, labels: int, width: int | None) -> list[list[int]]:
    """The columns of each part: its labels, and as many others as there is room for."""
    labelling, others = list(range(labels)), range(labels, len(widths))
    if width is None or not others:
        return [list(range(len(widths)))]
    parts: list[list[int]] = []
    for i in others:
        if parts and _length([widths[j] for j in [*parts[-1], i]]) <= width:
            parts[-1].append(i)
        else:
            parts.append([*labelling, i])
    return parts


def _length(widths: Sequence[int]) -> int:
    """Characters of a line whose cells have these widths."""
    return sum(widths) + 3 * len(widths) + 1


def _aligned(lines: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return "| " + " | ".join(padded) + " |"

    rule = line(["-" * width for width in widths])
    return [line(lines[0]), rule, *(line(row) for row in lines[1:])]


def markdown_report(report: Report, *, width: int | None = None) -> str:
    """All tables under their titles; see :func:`markdown` for ``width``."""
    parts = [f"# {_plain(report.title)}\n"]
    for table in report.tables:
        heading = f"## {_plain(table.title or table.name)}\n"
        parts.append(f"{heading}\n{markdown(table, width=width)}")
    if report.notes:
        parts.append("\n".join(f"- {_plain(note)}" for note in report.notes) + "\n")
    return "\n".join(parts)


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return _plain(cell)
    text = _plain(cell.text) if cell.estimate is None else cell.text
    if cell.emphasis is not None:
        text = EMPHASIS[cell.emphasis].format(text)
    return text + (f" [{', '.join(map(_plain, cell.marks))}]" if cell.marks else "")


def _note(note: Note | str) -> str:
    if isinstance(note, str):
        return _plain(note)
    return _plain(note.text) if note.mark is None else f"[{_plain(note.mark)}] {_plain(note.text)}"


def _plain(text: str) -> str:
    """Text that stays as it is: no markup, no column of its own, one line."""
    escaped = printable("".join(ESCAPES.get(char, char) for char in text))
    return LINK.sub(lambda found: f"\\{found[0]}", BRACKETS.sub(r"\]", escaped))
