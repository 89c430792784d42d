"""``deltamem demo``: a frozen model answers from its memory, and the controls that prove it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deltamem_base.counts import counted
from deltamem_base.faults import Unavailable
from deltamem_cli.demo.table1 import memory_words
from deltamem_cli.runs.evaluation import run_evaluation
from deltamem_cli.runs.requests import DemoRequest, Scene
from deltamem_cli.runs.training import run_training
from deltamem_cli.screen.console import Console

if TYPE_CHECKING:
    from deltamem_evaluations.metrics.statistics import GroupMean
    from deltamem_evaluations.records.record import Record
    from deltamem_evaluations.reporting import Table

__all__ = ["demo_recall"]

STATES = {
    "zero": "an empty",
    "foreign": "another dialogue's",
    "shuffled": "a permuted",
    "no_write": "an unwritten",
}
"""Option of ``control=`` -> the state that the adapter answers from."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the demo's table."""

    label: str
    words: tuple[str, ...]
    """Settings of `deltamem eval` that make it."""
    style: str | None = None
    """How it is drawn; None leaves it out of the figure."""


def demo_recall(request: DemoRequest, *, console: Console) -> None:
    """Evaluate all rows, print the table and draw the figure; an adapter is trained before.

    Raises:
        Unavailable: an adapter that is to be shown is not here.
    """
    _check_adapters(request)
    live = [_train_live(request, console)] if request.scene.trains else []
    rows = [*_references(), *_memories(request.scene), *live, *_controls(request.scene)]
    records = []
    for number, row in enumerate(rows, 1):
        console.note(f"[{number}/{len(rows)}] {row.label}")
        records.append(_evaluate(row, request, console))
    _show(rows, records, request, console)


def _check_adapters(request: DemoRequest) -> None:
    for writer in request.scene.writers:
        if writer not in request.released:
            words = f"model={request.model} writer={writer}"
            raise Unavailable(
                f"no adapter for {words} came with this program: make one with `deltamem train "
                f"{words}`, and name its folder with model.adapters.{writer}=FOLDER"
            )


def _train_live(request: DemoRequest, console: Console) -> Row:
    """Train the adapter that the demo makes itself, or find it made."""
    writer = request.live_writer
    words = [
        *request.backbone,
        f"writer={writer}",
        f"training.steps={request.live_steps}",
        "training.data.easy_share=1",
        f"runs_dir={request.runs}",
    ]
    console.note(f"training an adapter: deltamem train {' '.join(words)}")
    summary = run_training(words, console=console)
    chosen = (f"writer={writer}", f"adapter={summary['path']}")
    return Row(
        label=f"δ-mem {writer}, trained just now",
        words=("method=delta_mem", "context=none", *chosen),
    )


def _references() -> list[Row]:
    """The bare backbone with and without the dialogue."""
    return [
        Row(
            label="frozen, dialogue in view",
            words=("method=frozen", "context=visible"),
            style="k--",
        ),
        Row(label="frozen, dialogue gone", words=("method=frozen", "context=none"), style="k:"),
    ]


def _memories(scene: Scene) -> list[Row]:
    """The shipped adapter of each writer that is shown."""
    from deltamem_evaluations.figures.curves import STYLES

    return [
        Row(label=f"δ-mem {writer}", words=memory_words(writer), style=style)
        for writer, style in zip(scene.writers, STYLES, strict=False)
    ]


def _controls(scene: Scene) -> list[Row]:
    """The adapter of one writer with other states than the dialogue's; the first is drawn."""
    writer = scene.writers[0]
    return [
        Row(
            label=f"δ-mem {writer}, control={control}",
            words=(*memory_words(writer), f"control={control}"),
            style=None if number else "C3x-",
        )
        for number, control in enumerate(scene.controls)
    ]


def _evaluate(row: Row, request: DemoRequest, console: Console) -> Record:
    scene = request.scene
    words = [
        *request.backbone,
        f"bench={scene.bench}",
        f"bench.facts=[{','.join(map(str, scene.facts))}]",
        f"bench.dialogues={scene.dialogues}",
        "results_dir=null",
        *row.words,
        f"runs_dir={request.runs}",
        f"seed={request.seed}",
    ]
    record: Record = run_evaluation(words, console=console)
    return record


def _show(
    rows: Sequence[Row], records: Sequence[Record], request: DemoRequest, console: Console
) -> None:
    from deltamem_base.whole_files import write_text
    from deltamem_evaluations.figures.curves import draw_by_number
    from deltamem_evaluations.reporting import markdown

    scene = request.scene
    table = _table(rows, records, scene)
    lines = [(r.label, record, r.style) for r, record in zip(rows, records, strict=True) if r.style]
    figures = draw_by_number(
        lines,
        prefix="single_hop",
        title=f"{scene.title} Exact match, with 95 % intervals over dialogues",
        path=request.runs / scene.bench,
    )
    console.json({"rows": [record.to_json() for record in records]})
    console.table(table)
    page = write_text(request.runs / f"{scene.page}.md", markdown(table))
    console.wrote(page, *figures)


def _table(rows: Sequence[Row], records: Sequence[Record], scene: Scene) -> Table:
    from deltamem_evaluations.reporting import Table

    kinds = [*(f"single_hop/{n}" for n in scene.facts), "two_hop", "update"]
    columns = ["exact match, %", *(counted(n, "fact") for n in scene.facts)]
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
    controls = [control for control in STATES if control in scene.controls]
    sizes = ", ".join(f"{kind} {n[kind].n}" for kind in kinds)
    notes = [
        f"± is a 95 % interval over dialogues; questions: {sizes}",
        f"in δ-mem rows only the state holds the dialogue; {_listed(controls)} are the same "
        f"adapter with {_listed([STATES[control] for control in controls])} state",
    ]
    return Table(columns=columns, rows=lines, notes=notes)


def _percent(group: GroupMean) -> str:
    from deltamem_evaluations.reporting import percent

    return percent(group.mean, group.lo, group.hi, digits=0)


def _listed(words: Sequence[str]) -> str:
    """Words with commas, and the last one behind an "and"."""
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last
