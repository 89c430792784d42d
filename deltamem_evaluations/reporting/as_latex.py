"""Tables for a paper: booktabs, every character escaped, no package beyond two usual ones."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deltamem_base.excerpts import in_a_line
from deltamem_base.printable import printable
from deltamem_evaluations.reporting.tables import BEST, SECOND, Cell, Note, Report, Table

__all__ = ["PREAMBLE", "latex", "latex_text"]

PREAMBLE = ("\\usepackage[T1]{fontenc}", "\\usepackage{booktabs}", "\\usepackage{graphicx}")
EMPHASIS = {BEST: "\\textbf{{{}}}", SECOND: "\\underline{{{}}}"}
ESCAPES = {
    "\\": "\\textbackslash{}",
    "&": "\\&",
    "%": "\\%",
    "$": "\\$",
    "#": "\\#",
    "_": "\\_",
    "{": "\\{",
    "}": "\\}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "\\textquotedbl{}",
    "±": "$\\pm$",
    "×": "$\\times$",
    "≥": "$\\geq$",
    "≤": "$\\leq$",
    "→": "$\\rightarrow$",
    "∞": "$\\infty$",
    "δ": "$\\delta$",
    "Δ": "$\\Delta$",
    "β": "$\\beta$",
    "λ": "$\\lambda$",
    "α": "$\\alpha$",
    "²": "$^2$",
    "·": "$\\cdot$",
    "–": "--",
    "—": "---",
    "…": "\\ldots{}",
    "†": "\\dag{}",
}
SIGN = re.compile(r"-(?=\d)")
LETTERS = {*map(chr, range(0xC0, 0x100))} - {"×", "÷"}
"""Characters beside ASCII that pdfLaTeX sets by itself."""


def latex(report: Report) -> str:
    """A float for each table, for ``input``; what closes a report comes as comments."""
    head = ["% Into the preamble:", *(f"%   {line}" for line in PREAMBLE)]
    tables = [_comments(t) if t.folded else _float(t) for t in report.tables]
    parts = ["\n".join(head), *tables, *(_comment(note) for note in report.notes)]
    return "\n\n".join(parts) + "\n"


def latex_text(text: str) -> str:
    """Text that is set as it reads; a character that a usual font lacks by its number."""
    return "".join(_character(char) for char in printable(text))


def _character(char: str) -> str:
    if char in ESCAPES:
        return ESCAPES[char]
    if char.isspace():
        return " "
    return char if " " <= char <= "~" or char in LETTERS else f"U+{ord(char):04X}"


def _float(table: Table) -> str:
    body = [
        "\\begin{table}[htbp]",
        "\\centering\\small",
        f"\\caption{{{latex_text(table.title or table.name)}}}",
        f"\\label{{tab:{table.name}}}\\smallskip",
        "% shrinks a table that is too wide",
        "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%",
        f"\\begin{{tabular}}{{{_alignment(table)}}}",
        "\\toprule",
        _line([latex_text(column) for column in table.columns]),
        "\\midrule",
        *(_line([_cell(cell) for cell in row]) for row in table.rows),
        "\\bottomrule",
        "\\end{tabular}}",
        *_notes(table.notes),
        "\\end{table}",
    ]
    return "\n".join(body)


def _alignment(table: Table) -> str:
    """Numbers to the right, words to the left."""
    return "".join("r" if i in table.numeric else "l" for i in range(len(table.columns)))


def _line(cells: Sequence[str]) -> str:
    # a bracket after \\ would be read as its argument; an empty group keeps them apart
    return "{}" + " & ".join(cells) + " \\\\"


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return latex_text(cell)
    text = latex_text(cell.text)
    if cell.estimate is not None:
        text = SIGN.sub("$-$", text)
    if cell.emphasis is not None:
        text = EMPHASIS[cell.emphasis].format(text)
    marks = ",".join(latex_text(mark) for mark in cell.marks)
    return text + (f"\\textsuperscript{{{marks}}}" if marks else "")


def _notes(notes: Sequence[Note | str]) -> list[str]:
    if not notes:
        return []
    lines = [f"{_note(note)}\\par" for note in notes]
    opening = "\\par\\smallskip\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright"
    return [opening, *lines, "\\end{minipage}"]


def _note(note: Note | str) -> str:
    if isinstance(note, str):
        return latex_text(note)
    mark = "" if note.mark is None else f"\\textsuperscript{{{latex_text(note.mark)}}} "
    return mark + latex_text(note.text)


def _comments(table: Table) -> str:
    rows = [[c if isinstance(c, str) else c.text for c in row] for row in table.rows]
    lines = [table.title or table.name, *(" | ".join(row) for row in (table.columns, *rows))]
    return "\n".join(_comment(line) for line in lines)


def _comment(text: str) -> str:
    return f"% {in_a_line(printable(text))}"
