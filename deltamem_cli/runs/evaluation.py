"""One evaluation: a method on a benchmark, to a record."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_base.downloads import told_of_downloads
from deltamem_cli.errors import UsageError
from deltamem_cli.runs.build import assemble_method, load_backbone, writer_name
from deltamem_cli.runs.chosen_weights import Chosen, choose_weights
from deltamem_cli.runs.flush_to_zero import flush_to_zero
from deltamem_cli.runs.headline import announce_evaluation, sha_of
from deltamem_cli.runs.launching import check_alone
from deltamem_cli.runs.requests import EvaluationRequest
from deltamem_cli.screen.console import Console, Ticker
from deltamem_cli.settings.compose import run_config
from deltamem_cli.settings.paths import without_machine
from deltamem_cli.settings.run_key import run_key

if TYPE_CHECKING:
    from evaluations.benchmark import Scored
    from evaluations.records.making import Made
    from evaluations.records.record import Record
    from evaluations.records.store import SampleStore

__all__ = ["evaluate", "run_evaluation"]

CHARS_PER_TOKEN = 3
"""Fewer than in most texts, so that the estimate errs on the side of memory."""
ROOM = 1024
"""Tokens of a question and its answer."""


def run_evaluation(
    words: Sequence[str], *, console: Console, multirun: bool = False, show: str | None = None
) -> Any:
    """Compose ``conf/eval.yaml`` and evaluate.

    Args:
        words: overrides.
        console: prints.
        multirun: sweep over comma-separated values.
        show: print this part of the config and do nothing.

    Returns:
        The record; of a sweep all records; None where the config is only shown.

    Raises:
        UsageError: a launcher started several processes.
    """
    check_alone("eval")
    return run_config(
        "eval",
        lambda composed: evaluate(EvaluationRequest.of(composed), console),
        words,
        multirun=multirun,
        show=show,
    )


def evaluate(request: EvaluationRequest, console: Console) -> Record:
    """Run one evaluation, going on from what is stored, and write its record."""
    from evaluations.records.environment import reset_peak_memory
    from evaluations.records.making import make_record
    from evaluations.records.record import RECORD
    from evaluations.records.store import SampleStore
    from evaluations.runner import plan_samples

    benchmark = request.benchmark
    with told_of_downloads(console.note):
        benchmark.load()
        expected = len(plan_samples(benchmark, request.limit))
        reset_peak_memory()
        backbone = load_backbone(request.backbone, console)
        chosen = choose_weights(request.weights, fingerprint=backbone.fingerprint)
    method = assemble_method(request, backbone, chosen=chosen)
    said = method.describe()
    described = {**backbone.identity, **said}
    announce_evaluation(
        console, request, backbone, described=described, chosen=chosen, samples=expected
    )
    key = run_key(request.deciding, benchmark.fingerprint(), described, backbone.numerics)
    identity = _identity(request, described, key)
    folder = request.runs / identity["cell"]
    started = time.monotonic()
    with SampleStore(folder, key=key, numerics=backbone.numerics) as store:
        if len(store.lines) == expected:
            console.note(f"{folder} is complete already")
        with console.progress(identity["cell"].rpartition("__")[0]) as tick:
            scored, notes = _answered(request, backbone, method, store, tick)
        record = make_record(
            benchmark,
            scored,
            store.lines,
            expected=expected,
            identity={**identity, "path": str(folder / RECORD)},
            made=_made(request, backbone, said, chosen, notes, time.monotonic() - started),
        )
    _write(record, [folder / RECORD, *_copies(request, record)])
    return record


def _made(
    request: EvaluationRequest,
    backbone: Any,
    described: Mapping[str, Any],
    chosen: Chosen | None,
    notes: Sequence[str],
    seconds: float,
) -> Made:
    """The method, the backbone and the weights of a run, and where it deviates."""
    from evaluations.records.making import Made
    from evaluations.records.provenance import BackboneIdentity, MethodIdentity

    return Made(
        method=MethodIdentity.of(
            described,
            family=request.method.family,
            natural_context=request.method.natural_context,
        ),
        backbone=BackboneIdentity(**backbone.identity),
        weights=None if chosen is None else chosen.recorded(sha_of(described)),
        deviations=[*_deviations(request, backbone), *notes],
        seconds=seconds,
    )


def _answered(
    request: EvaluationRequest, backbone: Any, method: Any, store: SampleStore, tick: Ticker
) -> tuple[list[Scored], list[str]]:
    """All samples with their scores, those that are missing answered first, and what to note."""
    from evaluations.records.losses import unweighed_notes
    from evaluations.runner import Plan, run

    plan = Plan(
        writes=request.control.writes,
        seed=request.seed,
        limit=request.limit,
        likelihood=request.likelihood,
        batch_size=_batch_size(request.batch_size, request.benchmark, backbone),
    )
    notes: list[str] = []
    with flush_to_zero():
        scored = run(
            request.benchmark, method, store, plan=plan, progress=tick, on_note=notes.append
        )
    if request.likelihood:
        notes += unweighed_notes(store.lines.values())
    return scored, notes


def _copies(request: EvaluationRequest, record: Record) -> list[Path]:
    """The file among the results of a run that is whole; none of another."""
    if request.results is None or record.limited or not record.complete:
        return []
    return [request.results / f"{record.cell}.json"]


def _write(record: Record, places: Sequence[Path]) -> None:
    from deltamem_base.faults import CannotWrite, Partial
    from deltamem_base.whole_files import write_json

    try:
        for place in places:
            write_json(place, {**record.to_json(), "path": without_machine(Path(record.path))})
    except CannotWrite as fault:
        raise Partial(
            f"{fault}; all {record.n.scored} samples are kept: {fault.remedy} and run the "
            "same command again"
        ) from fault


def _identity(request: EvaluationRequest, described: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The names of a cell, and the first letters of the hash of all that decides its answers."""
    named = request.options
    names = {
        "model": named["model"],
        "method": named["method"],
        "writer": writer_name(described) if request.method.needs_adapter else None,
        "bench": named["bench"],
        "protocol": request.protocol or "benchmark",
        "context": request.context,
        "control": request.control.name,
        "seed": request.seed,
    }
    shown = ("bench", "model", "method", "writer", "context", "control")
    parts = [str(names[part]) for part in shown if names[part] is not None]
    cell = "__".join([*parts, key[:8]])
    limited = request.limit is not None
    config = dict(request.recorded)
    return {"cell": cell, "key": key, **names, "config": config, "limited": limited}


def _batch_size(size: int | str, benchmark: Any, backbone: Any) -> int:
    """The configured one, or for ``auto`` what fits with the longest prompt of the benchmark.

    Raises:
        UsageError: neither a number from 1 on nor ``auto``.
    """
    from deltamem.backbone import fitting_batch

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


def _deviations(request: EvaluationRequest, backbone: Any) -> list[str]:
    from deltamem.backbone import INSTRUCTIONS_MOVED, system_turn

    notes, benchmark = [], request.benchmark
    if request.limit is not None:
        notes.append(f"limited to the first {request.limit} samples: not comparable")
    if backbone.quantization is not None:
        notes.append(f"the backbone's weights are quantised to {backbone.quantization}")
    if not backbone.template.system_role:
        names = dict.fromkeys(sample.history_id for sample in benchmark.samples())
        if any(system_turn(benchmark.history(name).messages) for name in names):
            notes.append(INSTRUCTIONS_MOVED)
    return notes
