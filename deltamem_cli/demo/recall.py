"""``deltamem demo``: a frozen model answers from an 8×8 memory, and the controls that prove it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.demo.table1 import EVALUATION, memory_words
from deltamem_cli.runs.evaluation import run_evaluation
from deltamem_cli.runs.requests import DemoRequest
from deltamem_cli.runs.training import run_training
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.groups import options

if TYPE_CHECKING:
    from evaluations.metrics.statistics import GroupMean
    from evaluations.records.record import Record
    from evaluations.reporting import Table

__all__ = ["demo_recall"]

FACTS = ("1", "2", "4", "8", "16")
CONTROLS = ("foreign", "zero", "shuffled", "no_write")
"""The first is drawn; the others coincide with it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the demo's table."""

    label: str
    words: tuple[str, ...]
    """Settings of `deltamem eval` that make it."""
    style: str | None = None
    """How it is drawn; None leaves it out of the figure."""


def demo_recall(request: DemoRequest, *, console: Console) -> None:
    """Train one adapter, evaluate all rows, print the table and draw the figure."""
    adapter = _train_live(request, console)
    rows = _rows(adapter, request.live_writer)
    records = []
    for number, row in enumerate(rows, 1):
        console.note(f"[{number}/{len(rows)}] {row.label}")
        records.append(_evaluate(row, request, console))
    _show(rows, records, request.runs, console)


def _train_live(request: DemoRequest, console: Console) -> Path:
    """Train the adapter that the demo makes itself, or find it made."""
    words = [
        "model=tiny",
        f"writer={request.live_writer}",
        f"training.steps={request.live_steps}",
        "training.data.easy_share=1",
        f"runs_dir={request.runs}",
    ]
    console.note(f"training an adapter: deltamem train {' '.join(words)}")
    summary = run_training(words, console=console)
    return Path(summary["path"])


def _rows(live: Path, live_writer: str) -> list[Row]:
    """The reference with and without the dialogue in view, then the memory, then its controls."""
    from evaluations.figures.curves import STYLES

    rows = [
        Row(
            label="frozen, dialogue in view",
            words=("method=frozen", "context=visible"),
            style="k--",
        ),
        Row(label="frozen, dialogue gone", words=("method=frozen", "context=none"), style="k:"),
    ]
    for writer, style in zip(options("writer"), STYLES, strict=False):
        rows.append(Row(label=f"δ-mem {writer}", words=memory_words(writer), style=style))
    trained = ("method=delta_mem", "context=none", f"writer={live_writer}", f"adapter={live}")
    rows.append(Row(label=f"δ-mem {live_writer}, trained just now", words=trained))
    controlled = options("writer")[0]
    for control in CONTROLS:
        words = (*memory_words(controlled), f"control={control}")
        rows.append(Row(label=f"δ-mem {controlled}, control={control}", words=words, style="C3x-"))
    return [*rows[:-3], *(replace(row, style=None) for row in rows[-3:])]


def _evaluate(row: Row, request: DemoRequest, console: Console) -> Record:
    words = [
        *EVALUATION,
        *row.words,
        f"runs_dir={request.runs}",
        f"seed={request.seed}",
        f"bench.dialogues={request.dialogues}",
    ]
    record: Record = run_evaluation(words, console=console)
    return record


def _show(rows: Sequence[Row], records: Sequence[Record], folder: Path, console: Console) -> None:
    from deltamem_base.whole_files import write_text
    from evaluations.figures.curves import draw_by_number
    from evaluations.reporting import markdown

    text = markdown(_table(rows, records))
    lines = [(r.label, record, r.style) for r, record in zip(rows, records, strict=True) if r.style]
    figures = draw_by_number(
        lines,
        prefix="single_hop",
        title="Who is where? Answers without the dialogue",
        path=folder / "recall",
    )
    console.json({"rows": [record.to_json() for record in records]})
    console.result(text)
    console.wrote(write_text(folder / "README.md", text), *figures)


def _table(rows: Sequence[Row], records: Sequence[Record]) -> Table:
    from evaluations.reporting import Table

    kinds = [f"single_hop/{n}" for n in FACTS] + ["two_hop", "update"]
    columns = ["exact match, %", *(f"{n} facts" if n != "1" else "1 fact" for n in FACTS)]
    columns += ["two hops", "updates", "tokens in prompt", "trained", "state bytes"]
    lines = []
    for row, record in zip(rows, records, strict=True):
        groups = record.metrics["em"].groups
        cost = record.cost
        lines.append(
            [
                row.label,
                *(_percent(groups[kind]) for kind in kinds),
                f"{cost.prompt_tokens or 0:.0f}",
                f"{cost.trained_parameters:,}",
                f"{cost.state_bytes:,}",
            ]
        )
    n = records[0].metrics["em"].groups
    sizes = ", ".join(f"{kind} {n[kind].n}" for kind in kinds)
    notes = [
        f"± is a 95 % interval over dialogues; questions: {sizes}",
        "δ-mem rows hold nothing of the dialogue but the state; zero, foreign, shuffled and "
        "no_write are the same adapter with an empty, another dialogue's, a permuted and an "
        "unwritten state",
    ]
    return Table(columns=columns, rows=lines, notes=notes)


def _percent(group: GroupMean) -> str:
    from evaluations.reporting import percent

    return percent(group.mean, group.lo, group.hi, digits=0)
