"""``deltamem reproduce table=1``: from download to a verdict on each printed number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from deltamem_cli.errors import OK, VERDICT_NOT_MET, UsageError
from deltamem_cli.experiments import Plan, run_missing
from deltamem_cli.experiments.asked import drafts_of, plan_of
from deltamem_cli.experiments.dry_run import show_forecast
from deltamem_cli.experiments.jobs import jobs_of
from deltamem_cli.experiments.judging import Judged, judge_table
from deltamem_cli.experiments.merged_words import as_overrides
from deltamem_cli.options import DryRun, Json, Overrides, Quiet, make_console
from deltamem_cli.paper_file import paper_file
from deltamem_cli.runs.fetching import fetch_needed
from deltamem_cli.runs.requests import FetchRequest
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.grammar import write

if TYPE_CHECKING:
    from deltamem_evaluations.paper.numbers import Paper, Table

__all__ = ["reproduce"]


def reproduce(
    overrides: Overrides = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Run a table of the paper and judge each number: deltamem reproduce table=1 cell=tsw."""
    console = make_console(quiet=quiet, as_json=as_json)
    raise typer.Exit(_reproduce(overrides or [], console, dry_run=dry_run))


def _reproduce(words: Sequence[str], console: Console, *, dry_run: bool) -> int:
    """Fetch, train where needed, evaluate what is missing, and judge.

    Args:
        words: ``table=NAME``, ``cell=ROW`` or ``cell=ROW/COLUMN``, and settings of ``deltamem
            ablate``.
        console: prints.
        dry_run: list what would run, and stop.

    Returns:
        0 where every number asked for is MATCH or WITHIN-NOISE, else 3.

    Raises:
        UsageError: no such table or cell, or a table whose numbers depend on the machine.
    """
    from deltamem_evaluations.paper.numbers import Paper

    own, settings = _split(as_overrides(words))
    table = _table(Paper.read(paper_file()), own.get("table"))
    places = _places(table, own.get("cell"))
    needed = [f"experiment={table.experiment}", *settings]
    plan, runs, results = plan_of([*needed, *_only(table, places, settings)])
    jobs = jobs_of(plan.cells)
    if dry_run:
        show_forecast(plan, jobs, runs=runs, console=console)
        return OK
    needed_data = [FetchRequest.of(cell.evaluation, part="bench") for cell in plan.cells]
    trainings = [cell.training for cell in plan.cells if cell.training is not None]
    needed_data += [FetchRequest.of(training, part="training") for training in trainings]
    fetch_needed(needed_data, console)
    outcomes = run_missing(jobs, needed, runs=runs, results=results, console=console)
    judged = judge_table(table, plan, outcomes, places=places)
    _show(table, plan, judged, runs, console)
    return OK if all(j.judgement.verdict.met for j in judged) else VERDICT_NOT_MET


def _split(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Words of ours, and those that go to Hydra."""
    own: dict[str, str] = {}
    for name, _, value in (w.partition("=") for w in words if w.startswith(("table=", "cell="))):
        if not value or name in own:
            raise UsageError(f"give {name}= once, followed by a name: {name}={value}")
        own[name] = value
    rest = [w for w in words if not w.startswith(("table=", "cell="))]
    for word in rest:
        if word.startswith(("experiment=", "only=")):
            raise UsageError(f"{word}: `deltamem reproduce` takes table= and cell= instead")
    return own, rest


def _table(paper: Paper, name: str | None) -> Table:
    """The table that was asked for, where it holds scores."""
    judged = [n for n, t in paper.tables.items() if any(_is_score(t, c) for _, c in t.cells)]
    if name is None:
        raise UsageError(f"name a table: table= one of {', '.join(judged)}")
    table = paper.table(name)
    if table.name not in judged:
        raise UsageError(
            f"table={name} is not judged: its numbers are sizes, or depend on the machine; "
            "`deltamem list methods model=qwen3-4b` and `deltamem ablate experiment=efficiency` "
            "show ours"
        )
    return table.with_released()


def _is_score(table: Table, column: str) -> bool:
    return table.measured_by[column].bench is not None or bool(table.average_of)


def _places(table: Table, cell: str | None) -> list[tuple[str, str]]:
    """The printed numbers that were asked for: all, a row's, a column's, or one."""
    known = list(table.cells)
    if cell is None:
        return known
    row, slash, column = cell.partition("/")
    chosen = [(r, c) for r, c in known if row in ("", r) and (not slash or column in ("", c))]
    if not chosen:
        rows, columns = dict.fromkeys(r for r, _ in known), dict.fromkeys(c for _, c in known)
        raise UsageError(
            f"{table.name} has no printed number at cell={cell}; rows are {', '.join(rows)}, "
            f"columns {', '.join(columns)}: name ROW, ROW/COLUMN or /COLUMN"
        )
    return chosen


def _only(
    table: Table, places: Sequence[tuple[str, str]], settings: Sequence[str]
) -> Sequence[str]:
    """The plan's cells that these numbers need, averages with all their parts."""
    if len(places) == len(table.cells):
        return ()
    whole = drafts_of([f"experiment={table.experiment}", *settings])
    wanted = set()
    for row, column in places:
        parts = [column] if table.measured_by[column].bench is not None else table.average_of
        wanted |= {(table.source(row, part), table.measured_by[part].bench) for part in parts}
    names = [f"{c.row}/{c.column}" for c in whole if (c.row, c.bench) in wanted]
    return [f"only={write(names)}"]


def _show(table: Table, plan: Plan, judged: Sequence[Judged], runs: Path, console: Console) -> None:
    from deltamem_base.whole_files import write_json, write_text
    from deltamem_evaluations.reporting import Table as Rendered
    from deltamem_evaluations.reporting import markdown

    notes: dict[str, list[str]] = {note: [] for j in judged for note in j.published.notes}
    for j in judged:
        for note in j.published.notes:
            notes[note].append(f"{j.published.row}/{j.published.column}")
    writing = [f"{j.published.row}/{j.published.column}" for j in judged if j.write_answers]
    if writing:
        notes["question and answer tokens write, as in the paper's protocol"] = writing
    met = sum(j.judgement.verdict.met for j in judged)
    rendered = Rendered(
        columns=["row", "column", "paper", "ours", "verdict", "why"],
        labels=2,
        rows=[_line(j) for j in judged],
        notes=[
            f"{met} of {len(judged)} printed numbers reproduced (MATCH or WITHIN-NOISE)",
            "ours ± a 95 % interval over histories; the paper has one seed and no interval",
            *(f"{', '.join(where)}: {note}" for note, where in notes.items()),
        ],
    )
    content = {"table": table.name, "met": met == len(judged), "rows": [_plain(j) for j in judged]}
    console.json(content)
    console.table(rendered, title=table.title)
    base = runs / "reproduce" / table.name
    text = markdown(rendered, title=table.title)
    console.wrote(
        write_text(base.with_suffix(".md"), text), write_json(base.with_suffix(".json"), content)
    )


def _line(judged: Judged) -> list[str]:
    ours, printed = judged.judgement.measured, judged.published
    others = "".join(f" or {value:.2f}" for value in printed.others)
    return [
        printed.row,
        printed.column,
        f"{printed.value:.2f}{others} ({printed.confidence})",
        "–" if ours is None else f"{ours.mean:.2f} ± {ours.half:.2f}",
        str(judged.judgement.verdict),
        judged.judgement.why,
    ]


def _plain(judged: Judged) -> dict[str, object]:
    return {
        **asdict(judged.published),
        **asdict(judged.judgement),
        "record": judged.record,
        "write_answers": judged.write_answers,
    }
