"""``deltamem compare A B``: is B better than A on the same questions?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deltamem_cli.named_runs import find_run
from deltamem_cli.options import Json, make_console

if TYPE_CHECKING:
    from deltamem_evaluations.comparison import Comparison, Flip, Line
    from deltamem_evaluations.reporting import Table

__all__ = ["compare"]

LONGEST = 120
"""Characters of a question or an answer that are printed."""


def compare(
    a: Annotated[
        Path,
        typer.Argument(
            metavar="A", help="The reference: folder of a run, or its short name (eval-1, @last)."
        ),
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="The run that is compared with A.")],
    force: Annotated[
        bool,
        typer.Option("--force", help="Compare the common questions even if the protocols differ."),
    ] = False,
    with_flips: Annotated[
        bool,
        typer.Option(
            "--flips", help="List the questions that only B, or only A, answers correctly."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Say whether B is better than A, question by question: deltamem compare runs/A runs/B."""
    from deltamem_evaluations.comparison import compare_runs, flips, verdict
    from deltamem_evaluations.records.stored import read_run

    console = make_console(as_json=as_json)
    one, other = read_run(find_run(a)), read_run(find_run(b))
    done = compare_runs(one, other, force=force)
    flipped = flips(one, other) if with_flips else []
    console.json(
        {
            "a": done.a,
            "b": done.b,
            "verdict": verdict(done),
            "rows": [_plain(line) for line in done.lines],
            "notes": list(done.notes),
            **({"flips": [asdict(flip) for flip in flipped]} if with_flips else {}),
        }
    )
    console.result(f"{verdict(done)}\n\nA  {done.a}\nB  {done.b}")
    console.result("")
    console.table(_table(done))
    for flip in flipped:
        console.result(_flip(flip))
    for note in done.notes:
        console.note(f"note: {note}")


def _plain(line: Line) -> dict[str, object]:
    paired = asdict(line.paired)
    finite = all(abs(end) != float("inf") for end in paired["ci95"])
    limits = {} if finite else {"ci95": None, "detectable": None}
    return {
        "metric": line.metric,
        "group": line.group,
        "p_holm": line.p_holm,
        **paired,
        **limits,
    }


def _table(done: Comparison) -> Table:
    from deltamem_evaluations.metrics.likelihood import MEANING, REFERENCE_NLL
    from deltamem_evaluations.reporting import Table

    columns = ("metric", "group", "n", "A", "B", "B - A", "95 % CI", "p", "p Holm", "fixed/broken")
    notes = [
        "intervals and p: whole histories resampled (studentised bootstrap); p Holm: adjusted for "
        "the groups of a metric",
        f"an effect of {100 * done.lines[0].paired.detectable:.1f} points would be found with a "
        "power of 80 %",
    ]
    mcnemar = done.lines[0].paired.mcnemar
    if mcnemar is not None:
        notes.append(
            f"McNemar's test, which treats questions as independent: p = {mcnemar.p:.3g} for "
            f"{mcnemar.fixed} fixed and {mcnemar.broken} broken"
        )
    if any(line.metric == REFERENCE_NLL for line in done.lines):
        notes.append(MEANING)
    rows = [_row(line) for line in done.lines]
    return Table(columns=columns, rows=rows, notes=notes, labels=2)


def _row(line: Line) -> Sequence[str]:
    from deltamem_evaluations.metrics.likelihood import shown_as

    paired, flipped = line.paired, line.paired.mcnemar
    scale, digits = shown_as(line.metric)
    low, high = (scale * end for end in paired.ci95)
    return [
        line.metric,
        line.group,
        str(paired.n),
        f"{scale * paired.a:.{digits}f}",
        f"{scale * paired.b:.{digits}f}",
        f"{scale * paired.effect:+.{digits}f}",
        f"{low:+.{digits}f} to {high:+.{digits}f}",
        f"{paired.p:.2g}",
        f"{line.p_holm:.2g}",
        f"{flipped.fixed}/{flipped.broken}" if flipped else "",
    ]


def _flip(flip: Flip) -> str:
    from deltamem_base.excerpts import in_a_line
    from deltamem_evaluations.comparison import WITHHELD

    short = partial(in_a_line, longest=LONGEST)
    kind = "fixed " if flip.effect > 0 else "broken"
    question = short(flip.question or WITHHELD)
    return (
        f"{kind} {flip.id} ({flip.effect:+.2f})\n  {question}\n"
        f"  wanted: {short(' | '.join(flip.references))}\n"
        f"  A: {short(flip.a)}\n  B: {short(flip.b)}"
    )
