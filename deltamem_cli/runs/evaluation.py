"""One evaluation: a method on a benchmark, to a record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_base.downloads import told_of_downloads
from deltamem_cli.runs.build import assemble_method, load_backbone, writer_name
from deltamem_cli.runs.chosen_weights import Chosen, choose_weights
from deltamem_cli.runs.flush_to_zero import flush_to_zero
from deltamem_cli.runs.headline import announce_evaluation
from deltamem_cli.runs.judging import judged_too
from deltamem_cli.runs.launching import check_alone, check_shared
from deltamem_cli.runs.meeting import ALONE, Meeting, ending_together
from deltamem_cli.runs.requests import EvaluationRequest
from deltamem_cli.runs.sizes import batch_size
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.job import run_config
from deltamem_cli.settings.paths import without_machine
from deltamem_cli.settings.run_key import run_key

if TYPE_CHECKING:
    from deltamem.backbone import Backbone
    from deltamem_base.identities import MethodDescription
    from deltamem_cli.runs.shared_answers import Part, SharedAnswers
    from deltamem_evaluations.method import MemoryMethod
    from deltamem_evaluations.records.record import CellIdentity, Record
    from deltamem_evaluations.records.store import SampleStore
    from deltamem_evaluations.sample import Sample

__all__ = ["evaluate", "run_evaluation", "share_evaluation"]


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
    check_alone()
    return run_config(
        "eval",
        lambda composed: evaluate(EvaluationRequest.of(composed), console, ALONE),
        words,
        multirun=multirun,
        show=show,
    )


def share_evaluation(words: Sequence[str], *, console: Console) -> Record | None:
    """Compose ``conf/eval.yaml`` and evaluate with the other processes of a launcher.

    Args:
        words: overrides.
        console: prints.

    Returns:
        The record, in the first process; None in the others.
    """
    with ending_together() as meeting:
        heard = console if meeting.main else replace(console, quiet=True)
        record: Record | None = run_config(
            "eval",
            lambda composed: evaluate(EvaluationRequest.of(composed), heard, meeting),
            words,
        )
        return record


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """An evaluation with all that it needs loaded."""

    request: EvaluationRequest
    samples: Sequence[Sample]
    backbone: Backbone
    chosen: Chosen | None
    method: MemoryMethod
    key: str
    cell: CellIdentity

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return self.request.runs / self.cell.cell


def evaluate(request: EvaluationRequest, console: Console, meeting: Meeting) -> Record | None:
    """Run one evaluation, going on from what is stored.

    Args:
        request: what is evaluated.
        console: prints.
        meeting: of the processes that share it.

    Returns:
        The record, which the first process writes; None in the others.
    """
    from deltamem_cli.runs.shared_answers import SharedAnswers
    from deltamem_evaluations.records.record import RECORD

    ready = _prepare(request, console)
    started = time.monotonic()
    with SharedAnswers(
        ready.folder, key=ready.key, numerics=ready.backbone.numerics, meeting=meeting
    ) as answers:
        notes = _answer(ready, answers, console)
        parts = answers.bring_together(notes, expected=[sample.id for sample in ready.samples])
        if not meeting.main:
            return None
        record = _record(ready, answers.store, parts, seconds=time.monotonic() - started)
    _write(record, places := [ready.folder / RECORD, *_copies(request, record)])
    return judged_too(record, request, places, console, write=_write)


def _prepare(request: EvaluationRequest, console: Console) -> _Prepared:
    from deltamem_evaluations.records.environment import reset_peak_memory
    from deltamem_evaluations.runner import plan_samples

    check_shared(request.backbone)
    benchmark = request.benchmark
    with told_of_downloads(console.note):
        benchmark.load()
        samples = plan_samples(benchmark, request.limit)
        reset_peak_memory()
        backbone = load_backbone(request.backbone, console)
        chosen = choose_weights(request.weights, fingerprint=backbone.fingerprint)
    method = assemble_method(request, backbone, chosen=chosen)
    described = method.describe()
    announce_evaluation(
        console, request, backbone, described=described, chosen=chosen, samples=len(samples)
    )
    decide = backbone.identity.deciding | described.deciding, backbone.numerics
    key = run_key(request.deciding, benchmark.fingerprint(), *decide)
    return _Prepared(
        request=request,
        samples=samples,
        backbone=backbone,
        chosen=chosen,
        method=method,
        key=key,
        cell=_cell(request, described, key),
    )


def _answer(ready: _Prepared, answers: SharedAnswers, console: Console) -> Part:
    """Answer this process's share of what is missing."""
    from deltamem_cli.runs.shared_answers import Part
    from deltamem_evaluations.records.environment import peak_memory_mb
    from deltamem_evaluations.runner import Plan, run

    request, backbone = ready.request, ready.backbone
    plan = Plan(
        writes=request.control.writes,
        seed=request.seed,
        limit=request.limit,
        likelihood=request.likelihood,
        batch_size=batch_size(request.batch_size, request.benchmark, backbone),
    )
    asked = answers.share(request.benchmark, ready.samples, on_note=console.note)
    notes: list[str] = []
    label = ready.cell.cell.rpartition("__")[0]
    with flush_to_zero(), console.progress(label + answers.meeting.named) as tick:
        run(
            *(request.benchmark, ready.method, answers.store),
            plan=plan,
            asked=asked,
            progress=tick,
            on_note=notes.append,
        )
    return Part(notes=notes, peak_memory_mb=peak_memory_mb())


def _record(
    ready: _Prepared, store: SampleStore, parts: Sequence[Part], *, seconds: float
) -> Record:
    """The record of a run whose answers are all stored."""
    from deltamem_evaluations.benchmark import Scored
    from deltamem_evaluations.records.losses import unweighed_notes
    from deltamem_evaluations.records.making import Made, make_record
    from deltamem_evaluations.records.provenance import MethodIdentity
    from deltamem_evaluations.records.record import RECORD

    request, said = ready.request, ready.method.describe()
    notes = [*_deviations(request, ready.backbone), *(n for part in parts for n in part.notes)]
    if request.likelihood:
        notes += unweighed_notes(store.lines.values())
    made = Made(
        method=MethodIdentity.of(
            said, family=request.method.family, natural_context=request.method.natural_context
        ),
        backbone=ready.backbone.identity,
        weights=None if ready.chosen is None else ready.chosen.recorded(said.sha),
        deviations=list(dict.fromkeys(notes)),
        seconds=seconds,
        peak_memory_mb=max(part.peak_memory_mb for part in parts),
    )
    return make_record(
        request.benchmark,
        [Scored(sample=s, scores=store.lines[s.id].scores) for s in ready.samples],
        store.lines,
        expected=len(ready.samples),
        cell=ready.cell,
        path=str(ready.folder / RECORD),
        made=made,
    )


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


def _cell(request: EvaluationRequest, described: MethodDescription, key: str) -> CellIdentity:
    """The names of a cell, and the first letters of the hash of all that decides its answers."""
    from deltamem_evaluations.records.record import CellIdentity

    named, control = request.options, request.control.name
    writer = writer_name(described) if request.method.needs_adapter else None
    parts = (named["bench"], named["model"], named["method"], writer, request.context, control)
    return CellIdentity(
        cell="__".join([*(part for part in parts if part is not None), key[:8]]),
        key=key,
        model=named["model"],
        method=named["method"],
        writer=writer,
        bench=named["bench"],
        protocol=request.protocol or "benchmark",
        context=request.context,
        control=control,
        seed=request.seed,
        limited=request.limit is not None,
        config=dict(request.recorded),
    )


def _deviations(request: EvaluationRequest, backbone: Backbone) -> list[str]:
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
