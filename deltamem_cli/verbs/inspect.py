"""``deltamem inspect``: what a memory holds, per layer and turn, as a table and as heat-maps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from deltamem_base.counts import counted
from deltamem_cli.errors import UsageError
from deltamem_cli.named_runs import find_run
from deltamem_cli.options import Json, Quiet, make_console
from deltamem_cli.runs.watching import turns_of_run
from deltamem_cli.screen.console import Console
from deltamem_cli.screen.memory_tables import (
    difference_table,
    state_map,
    state_table,
    turn_maps,
    turn_table,
)

if TYPE_CHECKING:
    from deltamem.memory.state_file import SavedState

__all__ = ["inspect"]


def inspect(
    what: Annotated[
        Path,
        typer.Argument(
            metavar="RUN|STATE", help="Folder of a run or its short name, or a .dmstate file."
        ),
    ],
    words: Annotated[
        Optional[list[str]],
        typer.Argument(
            metavar="[OTHER] [KEY=VALUE]...",
            help="A second state to compare with; or, for a run, settings such as adapter=FOLDER.",
        ),
    ] = None,
    history: Annotated[
        Optional[str],
        typer.Option("--history", help="Id of a history of the run; the first by default."),
    ] = None,
    out: Annotated[
        Optional[Path], typer.Option("--out", help="Path of the images, without a suffix.")
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Show what a memory holds, per layer and turn: deltamem inspect runs/CELL."""
    _inspect(
        find_run(what),
        words or [],
        make_console(quiet=quiet, as_json=as_json),
        history=history,
        out=out,
    )


def _inspect(
    what: Path,
    words: Sequence[str],
    console: Console,
    *,
    history: str | None,
    out: Path | None,
) -> None:
    """Inspect the folder of a run, a state file, or the difference of two state files.

    Args:
        what: folder of a run, its record, or a ``.dmstate`` file.
        words: a second state file, or settings for a run.
        console: prints.
        history: id of the history of a run; None is the first.
        out: where images go, without suffix; None is beside ``what``.

    Raises:
        UsageError: words that make no sense with ``what``.
    """
    others = [word for word in words if "=" not in word or Path(word).exists()]
    settings = [word for word in words if word not in others]
    if what.is_dir() or what.suffix == ".json":
        if others:
            raise UsageError(
                f"{others[0]} is not a setting (key=value); only state files can be compared"
            )
        _inspect_run(what, settings, console, history=history, out=out)
        return
    if settings or history is not None or len(others) > 1:
        stray = [*settings, *others[1:], *([] if history is None else [f"--history {history}"])]
        raise UsageError(f"{stray[0]} is for a run, but {what} is a state file")
    if others:
        _compare_states(what, Path(others[0]), console, out=out)
    else:
        _inspect_state(what, console, out=out)


def _inspect_run(
    what: Path, settings: Sequence[str], console: Console, *, history: str | None, out: Path | None
) -> None:
    from deltamem_evaluations.figures.heatmaps import draw_heatmaps
    from deltamem_evaluations.records.stored import read_run
    from deltamem_evaluations.reporting.memory_maps import write_turns

    record = read_run(what).record
    folder = what if what.is_dir() else what.parent
    watched = turns_of_run(record, settings, console=console, runs=folder.parent, history=history)
    name, turns = watched.name, watched.turns
    path = out or folder / ("memory__" + re.sub(r"[^\w.-]+", "_", name))
    files = draw_heatmaps(turn_maps(turns), title=f"{record.cell}\nhistory {name}", path=path)
    files += [write_turns(watched.texts, path=path)] if watched.texts else []
    console.json(
        {
            "kind": "run",
            "cell": record.cell,
            "history": name,
            "turns": [asdict(turn) for turn in turns],
            "files": [str(file) for file in files],
        }
    )
    console.result(f"{record.cell}, history {name}: {counted(len(turns), 'turn')}")
    console.result("")
    console.table(turn_table(turns))
    console.wrote(*files)


def _inspect_state(what: Path, console: Console, *, out: Path | None) -> None:
    from deltamem.memory.inspection import state_numbers
    from deltamem.memory.state_file import read_state
    from deltamem_evaluations.figures.heatmaps import draw_heatmaps

    saved = read_state(what)
    numbers = state_numbers(saved.state)
    turns = saved.manifest.transcript.turns
    path = out or what.with_suffix(".memory")
    files = draw_heatmaps([state_map(saved.state)], title=what.name, path=path)
    if turns:
        beside = path.with_name(f"{path.name}.turns")
        files += draw_heatmaps(turn_maps(turns), title=what.name, path=beside)
    told = _told(saved)
    console.json(
        {
            "kind": "state",
            **told,
            "state": asdict(numbers),
            "turns": [asdict(turn) for turn in turns],
            "files": [str(file) for file in files],
        }
    )
    for name, value in told.items():
        console.result(f"{name:11} {value}")
    console.result("")
    console.table(state_table(numbers))
    if turns:
        console.result("")
        console.table(turn_table(turns))
    console.wrote(*files)


def _told(saved: SavedState) -> dict[str, object]:
    """A manifest without the text of its conversation."""
    manifest, transcript = saved.manifest, saved.manifest.transcript
    config = manifest.config
    messages = transcript.messages
    return {
        "backbone": f"{manifest.backbone['name']} ({str(manifest.backbone['fingerprint'])[:12]})",
        "adapter": manifest.adapter[:12],
        "writes by": config["memory_write_granularity"],
        "rank": config["rank"],
        "sub-states": next(iter(saved.state.layers.values())).shape[1],
        "dtype": manifest.dtype,
        "turns": len(transcript.turns),
        "text": "left out" if messages is None else f"{len(messages)} messages",
        "date": manifest.date,
    }


def _compare_states(a: Path, b: Path, console: Console, *, out: Path | None) -> None:
    from deltamem import MemoryState
    from deltamem.memory.inspection import difference
    from deltamem.memory.state_file import read_state
    from deltamem_evaluations.figures.heatmaps import draw_heatmaps

    one, other = read_state(a).state, read_state(b).state
    apart = difference(one, other)
    gap = MemoryState({i: s - other.layers[i] for i, s in one.layers.items()}, one.adapter)
    path = out or a.with_name(f"{a.stem}-{b.stem}.difference")
    files = draw_heatmaps([state_map(gap)], title=f"{a.name} − {b.name}", path=path)
    console.json(
        {
            "kind": "difference",
            "a": str(a),
            "b": str(b),
            **asdict(apart),
            "files": [str(file) for file in files],
        }
    )
    console.result(f"A  {a}\nB  {b}")
    console.result("")
    console.table(difference_table(apart))
    console.wrote(*files)
