"""``deltamem demo table=1``: every method of the paper's Table 1 on the embedded backbone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_base.faults import Unavailable
from deltamem_cli.runs.evaluation import run_evaluation
from deltamem_cli.runs.requests import DemoRequest
from deltamem_cli.runs.training import run_training
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.groups import method_settings, options

if TYPE_CHECKING:
    from deltamem_evaluations.records.record import Record
    from deltamem_evaluations.reporting import Table

__all__ = ["demo_table", "memory_words"]

COLUMNS = (
    "method",
    "family",
    "in view",
    "exact match, %",
    "tokens in prompt",
    "trained",
    "state bytes",
    "s to write",
    "s per answer",
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One evaluation of the table."""

    label: str
    method: str
    words: tuple[str, ...] = ()
    """Settings of `deltamem eval`; none are the method's own."""


def demo_table(request: DemoRequest, *, console: Console) -> None:
    """Train what has to be trained, evaluate every method, print the table with its costs.

    A method whose optional package or weights are missing gets a row that says so.
    """
    lines, notes, records = [], [], []
    cells = _cells()
    for number, cell in enumerate(cells, 1):
        console.note(f"[{number}/{len(cells)}] {cell.label}")
        try:
            record = _evaluate(cell, request, console)
        except Unavailable as fault:
            lines.append([cell.label, *["–"] * (len(COLUMNS) - 1)])
            notes.append(f"{cell.label} could not be run: {fault}")
            continue
        records.append(record)
        variant = record.provenance.method.variant
        label = cell.label if variant is None else f"{cell.label} ({variant})"
        lines.append([label, *_figures(cell, record)])
        notes += [f"{cell.label}: {deviation}" for deviation in record.deviations]
    _print(lines, [_sizes(records), *notes], records, request.runs, console)


def _cells() -> list[Cell]:
    """The reference with and without the dialogue, the baselines, the writers."""
    reference, ours = [], []
    baselines = [Cell(label=name, method=name) for name in options("method")]
    for cell in list(baselines):
        family = _family(cell.method)
        if family == "reference":
            baselines.remove(cell)
            reference += [
                Cell(
                    label=f"{cell.label}, context={mode}",
                    method=cell.method,
                    words=(f"method={cell.method}", f"context={mode}"),
                )
                for mode in ("visible", "none")
            ]
        elif family == "delta-mem":
            baselines.remove(cell)
            ours += [
                Cell(
                    label=f"{cell.label} {writer}",
                    method=cell.method,
                    words=memory_words(writer),
                )
                for writer in options("writer")
            ]
    baselines.sort(key=lambda cell: _family(cell.method), reverse=True)
    return [*reference, *baselines, *ours]


def memory_words(writer: str) -> tuple[str, ...]:
    """The shipped adapter of a writer, answering from its state alone."""
    adapter = "adapter=${model.adapters." + writer + "}"
    return ("method=delta_mem", "context=none", f"writer={writer}", adapter)


def _family(method: str) -> str:
    return str(method_settings(method).family)


def _evaluate(cell: Cell, request: DemoRequest, console: Console) -> Record:
    own = request.table1.settings.get(cell.method, ())
    words = [
        *request.backbone,
        f"bench={request.scene.bench}",
        "results_dir=null",
        *(cell.words or (f"method={cell.method}",)),
        *own,
        f"runs_dir={request.runs}",
        f"seed={request.seed}",
        f"bench.dialogues={request.table1.dialogues}",
    ]
    if "learner" in method_settings(cell.method):
        words.append(f"adapter={_train(cell.method, request, console)}")
    record: Record = run_evaluation(words, console=console)
    return record


def _train(method: str, request: DemoRequest, console: Console) -> str:
    words = [
        *request.backbone,
        f"method={method}",
        *request.table1.train,
        *request.table1.train_settings.get(method, ()),
        f"runs_dir={request.runs}",
    ]
    console.note(f"training it: deltamem train {' '.join(words)}")
    summary = run_training(words, console=console)
    return str(summary["path"])


def _figures(cell: Cell, record: Record) -> list[str]:
    from deltamem_evaluations.reporting import percent

    metric, cost = record.metrics[record.primary_metric], record.cost
    return [
        _family(cell.method),
        record.context,
        percent(metric.mean, *metric.ci95),
        f"{cost.prompt_tokens or 0:.0f}",
        f"{cost.trained_parameters:,}",
        _whole(cost.state_bytes),
        f"{cost.write_seconds or 0:.3f}",
        f"{cost.answer_seconds or 0:.3f}",
    ]


def _whole(value: float | int | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _sizes(records: Sequence[Record]) -> str:
    metric = records[0].metrics[records[0].primary_metric]
    return (
        f"± is a 95 % interval over dialogues; {metric.n} questions about "
        f"{metric.clusters} dialogues; state bytes per history; seconds on this machine, per "
        "question, with the time to write a history divided among its questions"
    )


def _print(
    lines: Sequence[Sequence[str]],
    notes: Sequence[str],
    records: Sequence[Record],
    folder: Path,
    console: Console,
) -> None:
    from deltamem_base.whole_files import write_text
    from deltamem_evaluations.reporting import Table, markdown

    table: Table = Table(columns=COLUMNS, rows=lines, notes=notes)
    console.json({"rows": [record.to_json() for record in records], "notes": list(notes)})
    console.table(table)
    console.wrote(write_text(folder / "table1.md", markdown(table)))
