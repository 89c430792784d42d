"""Write ``printed-numbers.md``, all that the paper prints: ``python docs/printed_numbers.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deltamem_cli.paper_file import paper_file
from deltamem_evaluations.paper.numbers import Column, Paper, Published

__all__ = ["FILE", "page"]

FILE = Path(__file__).with_name("printed-numbers.md")
MADE = "<!-- written by `python docs/printed_numbers.py` from results/paper.yaml: edit that -->"
INTRODUCTION = (
    "`deltamem reproduce table=1 cell=tsw/locomo` judges row `tsw`, column `locomo` of Table 1;"
    " tables are called 1, 2, 3, 4, figure2 and locomo. A number that one reading of the paper"
    " alone has is *single*; where readings differ, the others stand beside it."
)


def page() -> str:
    """The whole text of the page."""
    return "\n\n".join(["# Printed numbers", MADE, INTRODUCTION, *_parts()]) + "\n"


def _parts() -> Iterator[str]:
    """Each table of the paper: its numbers, how well they are known, and what does not add up."""
    paper = Paper.read(paper_file())
    for table in paper.tables.values():
        rows = [
            [
                f"`{row.name}`",
                *(_number(table.cells.get((row.name, c.name))) for c in table.columns),
            ]
            for row in table.rows
        ]
        head = [table.experiment or "", *(_column(column) for column in table.columns)]
        lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
        notes = dict.fromkeys(note for cell in table.cells.values() for note in cell.notes)
        below = "".join(f"\n- {note}" for note in notes)
        yield f"## {table.title}\n\n" + "\n".join(lines) + ("\n" + below if below else "")
    yield "## Not printed\n\n" + "\n".join(f"- {what}" for what in paper.not_published)


def _column(column: Column) -> str:
    return f"`{column.name}`" + (f" ({column.n:,} questions)" if column.n else "")


def _number(cell: Published | None) -> str:
    if cell is None:
        return "–"
    said = " or ".join(f"{v:,.{0 if v >= 1000 else 2}f}" for v in (cell.value, *cell.others))
    return said if cell.confidence == "agreed" else f"{said} ({cell.confidence})"


if __name__ == "__main__":
    FILE.write_text(page(), encoding="utf-8")
