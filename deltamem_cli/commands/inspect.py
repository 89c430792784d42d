"""``deltamem inspect``: what a memory holds, per layer and turn, as a table and as heat-maps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_cli.errors import UsageError
from deltamem_cli.runs.build import assemble_method, load_model
from deltamem_cli.screen.console import Console
from deltamem_cli.screen.memory_tables import (
    difference_table,
    state_map,
    state_table,
    turn_maps,
    turn_table,
)
from deltamem_cli.settings.compose import method_settings
from deltamem_cli.settings.from_record import rebuild
from deltamem_cli.settings.instantiate import build, check_types

if TYPE_CHECKING:
    from deltamem.memory.inspection import TurnNumbers
    from deltamem.memory.state_file import SavedState
    from evaluations.records.record import Record

__all__ = ["inspect", "turns_of_run"]

Turns = Sequence["TurnNumbers"]


def inspect(
    what: Path,
    words: Sequence[str],
    *,
    console: Console,
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
            raise UsageError(f"{others[0]} is no setting (key=value); a run is inspected alone")
        _inspect_run(what, settings, console, history=history, out=out)
        return
    if settings or history is not None or len(others) > 1:
        stray = [*settings, *others[1:], *([] if history is None else [f"--history {history}"])]
        raise UsageError(f"{stray[0]} goes with a run, and {what} is a state file")
    if others:
        _compare_states(what, Path(others[0]), console, out=out)
    else:
        _inspect_state(what, console, out=out)


def _inspect_run(
    what: Path, settings: Sequence[str], console: Console, *, history: str | None, out: Path | None
) -> None:
    from evaluations.comparison import read_run
    from evaluations.figures.heatmaps import draw_heatmaps

    record = read_run(what).record
    name, turns = turns_of_run(record, settings, history=history)
    folder = what if what.is_dir() else what.parent
    path = out or folder / ("memory__" + re.sub(r"[^\w.-]+", "_", name))
    files = draw_heatmaps(turn_maps(turns), title=f"{record.cell}\nhistory {name}", path=path)
    console.json(
        {
            "kind": "run",
            "cell": record.cell,
            "history": name,
            "turns": [asdict(turn) for turn in turns],
            "files": [str(file) for file in files],
        }
    )
    console.result(f"{record.cell}, history {name}: {len(turns)} turns\n")
    console.result(turn_table(turns))
    console.wrote(*files)


def turns_of_run(
    record: Record, settings: Sequence[str] = (), *, history: str | None = None
) -> tuple[str, Turns]:
    """Write one history of a run again, with its own settings, and watch every turn.

    Args:
        record: of the run.
        settings: words of ``deltamem eval`` that the record cannot give, such as folders.
        history: its id; None is the first.

    Returns:
        The id of the history, and the numbers of each turn.

    Raises:
        UsageError: a method without a state, another adapter, backbone or benchmark than the
            record's, or a history that the run did not ask about.
    """
    if not method_settings(record.method).needs_adapter:
        raise UsageError(
            f"{record.cell} is a run of method={record.method}, which has no memory state; inspect "
            "one of method=delta_mem"
        )
    return rebuild(record, settings, lambda config: _watch(config, record, history))


def _watch(config: Any, record: Record, history: str | None) -> tuple[str, Turns]:
    from evaluations.runner import run_history

    check_types(config)
    benchmark = build(config.bench)
    benchmark.load()
    _same("benchmark (protocol and data)", benchmark.fingerprint(), record.fingerprint)
    backbone = load_model(config)
    method = assemble_method(config, backbone)
    stored = record.provenance["method"]
    _same("backbone", backbone.fingerprint, stored["model_fingerprint"])
    _same("adapter", method.memory.sha, stored["adapter_sha"])
    samples = benchmark.samples()[: record.n["expected"]]
    order = list(dict.fromkeys(sample.history_id for sample in benchmark.samples()))
    asked = list(dict.fromkeys(sample.history_id for sample in samples))
    name = asked[0] if history is None else history
    if name not in asked:
        raise UsageError(
            f"the run asked nothing about a history '{name}'; it has {len(asked)}: "
            f"{', '.join(asked[:6])}{', ...' if len(asked) > 6 else ''}"
        )
    written = run_history(
        benchmark,
        [sample for sample in samples if sample.history_id == name],
        writes=config.control.writes,
        order=order,
    )
    return name, method.observe(written)[1]


def _same(what: str, found: str, stored: str) -> None:
    if found != stored:
        raise UsageError(
            f"the {what} is {found[:12]} and the record's is {stored[:12]}: name the one of the "
            "run, as adapter=FOLDER, model.id=… or bench.path=…"
        )


def _inspect_state(what: Path, console: Console, *, out: Path | None) -> None:
    from deltamem.memory.inspection import state_numbers
    from deltamem.memory.state_file import read_state
    from evaluations.figures.heatmaps import draw_heatmaps

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
    console.result(f"\n{state_table(numbers)}")
    if turns:
        console.result(f"\n{turn_table(turns)}")
    console.wrote(*files)


def _told(saved: SavedState) -> dict[str, Any]:
    """What a manifest says, without the text of the conversation."""
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
    from evaluations.figures.heatmaps import draw_heatmaps

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
    console.result(f"A  {a}\nB  {b}\n\n{difference_table(apart)}")
    console.wrote(*files)
