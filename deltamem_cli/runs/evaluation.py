"""One evaluation: a method on a benchmark, to a record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_cli.errors import UsageError
from deltamem_cli.runs.build import assemble_method, context_mode, load_model, writer_name
from deltamem_cli.runs.chosen_weights import choose_weights
from deltamem_cli.runs.denormals import flushed_denormals
from deltamem_cli.runs.headline import announce_evaluation, sha_of
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.compose import choices
from deltamem_cli.settings.identity import control_name, plain
from deltamem_cli.settings.instantiate import build, check_types
from deltamem_cli.settings.paths import without_machine
from deltamem_cli.settings.run_key import run_key

if TYPE_CHECKING:
    from evaluations.records.record import Record

__all__ = ["evaluate_config"]

CHARS_PER_TOKEN = 3
"""Fewer than in most texts, so that the estimate errs on the side of memory."""
ROOM = 1024
"""Tokens of a question and its answer."""


def evaluate_config(config: Any, console: Console) -> Record:
    """Run one composed evaluation, going on from what is stored, and write its record."""
    from evaluations.records.provenance import reset_peak_memory
    from evaluations.records.record import RECORD, make_record
    from evaluations.records.store import SampleStore
    from evaluations.runner import Plan, plan_samples, run

    check_types(config)
    benchmark = build(config.bench)
    benchmark.load()
    expected = len(plan_samples(benchmark, config.limit))
    reset_peak_memory()
    backbone = load_model(config)
    chosen = choose_weights(config, fingerprint=backbone.fingerprint)
    method = assemble_method(config, backbone, chosen=chosen)
    described = {**backbone.identity, **method.describe()}
    announce_evaluation(
        console, config, backbone, described=described, chosen=chosen, samples=expected
    )
    key = run_key(config, "eval", benchmark.fingerprint(), described, backbone.numerics)
    identity = _identity(config, described, key)
    folder = Path(config.runs_dir) / identity["cell"]
    started = time.monotonic()
    with SampleStore(folder, key=key, numerics=backbone.numerics) as store:
        if len(store.rows) == expected:
            console.note(f"{folder} is complete already")
        with flushed_denormals(), console.progress(identity["cell"].rpartition("__")[0]) as tick:
            plan = Plan(
                writes=config.control.writes,
                seed=config.seed,
                limit=config.limit,
                batch_size=_batch_size(config, benchmark, backbone),
            )
            notes: list[str] = []
            scored = run(benchmark, method, store, plan=plan, progress=tick, on_note=notes.append)
        record = make_record(
            benchmark,
            scored,
            store.rows,
            expected=expected,
            identity={
                **identity,
                "limited": config.limit is not None,
                "path": str(folder / RECORD),
            },
            described=described,
            weights=None if chosen is None else chosen.recorded(sha_of(described)),
            deviations=[*_deviations(config, backbone, benchmark), *notes],
            seconds=time.monotonic() - started,
        )
    places = [folder / RECORD]
    if record.complete and not record.limited and config.results_dir is not None:
        places.append(Path(config.results_dir) / f"{record.cell}.json")
    _write(record, places)
    return record


def _write(record: Record, places: Sequence[Path]) -> None:
    from deltamem_base.faults import CannotWrite, Partial
    from deltamem_base.whole_files import write_json

    try:
        for place in places:
            write_json(place, {**record.to_json(), "path": without_machine(Path(record.path))})
    except CannotWrite as fault:
        raise Partial(
            f"{fault}; all {record.n['scored']} samples are kept: make room and run the same "
            "command again"
        ) from fault


def _identity(config: Any, described: dict[str, Any], key: str) -> dict[str, Any]:
    """The names of a cell, and the begin of the hash of all that decides its answers."""
    named = choices()
    names = {
        "model": named["model"],
        "method": named["method"],
        "writer": writer_name(described) if config.method.needs_adapter else None,
        "bench": named["bench"],
        "protocol": str(config.bench.get("protocol", "benchmark")),
        "context": context_mode(config),
        "control": control_name(config),
        "seed": int(config.seed),
    }
    shown = ("bench", "model", "method", "writer", "context", "control")
    parts = [str(names[part]) for part in shown if names[part] is not None]
    cell = "__".join([*parts, key[:8]])
    return {"cell": cell, **names, "config": plain(config)}


def _batch_size(config: Any, benchmark: Any, backbone: Any) -> int:
    """The configured one, or for ``auto`` what fits with the longest prompt of the benchmark.

    Raises:
        UsageError: neither a number from 1 on nor ``auto``.
    """
    from deltamem.backbone import fitting_batch

    size = config.runtime.batch_size
    if isinstance(size, int) and size >= 1:
        return size
    if size != "auto":
        raise UsageError(f"runtime.batch_size is {size}; use a number from 1 on, or auto")
    return fitting_batch(backbone, tokens=lambda: _longest_prompt(benchmark, backbone.window))


def _longest_prompt(benchmark: Any, window: int) -> int:
    """Tokens of the longest history with a question, estimated from characters."""
    names = dict.fromkeys(sample.history_id for sample in benchmark.samples())
    lengths = (sum(len(m["content"]) for m in benchmark.history(n).messages) for n in names)
    return min(max(lengths, default=0) // CHARS_PER_TOKEN + ROOM, window)


def _deviations(config: Any, backbone: Any, benchmark: Any) -> list[str]:
    from deltamem.backbone import INSTRUCTIONS_MOVED, system_turn

    notes = []
    if config.limit is not None:
        notes.append(f"limited to the first {config.limit} samples: not comparable")
    if backbone.quantization is not None:
        notes.append(f"the backbone's weights are quantised to {backbone.quantization}")
    if not backbone.template.system_role:
        names = dict.fromkeys(sample.history_id for sample in benchmark.samples())
        if any(system_turn(benchmark.history(name).messages) for name in names):
            notes.append(INSTRUCTIONS_MOVED)
    return notes
