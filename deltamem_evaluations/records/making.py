"""From the stored lines of a run to its record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from deltamem_base.identities import BackboneIdentity
from deltamem_evaluations.benchmark import Benchmark, Scored
from deltamem_evaluations.metrics.likelihood import Weighed, likelihood_metrics
from deltamem_evaluations.metrics.statistics import Metric
from deltamem_evaluations.records.environment import timestamp
from deltamem_evaluations.records.losses import loss_notes
from deltamem_evaluations.records.origins import Environments, NumericsUsed, differing
from deltamem_evaluations.records.provenance import (
    BackboneUsed,
    MethodIdentity,
    Provenance,
    Weights,
)
from deltamem_evaluations.records.record import CellIdentity, Cost, Counts, Record, Thinking
from deltamem_evaluations.records.sample_line import SampleLine
from deltamem_evaluations.thinking import count_thinking

__all__ = ["Made", "likelihood_of", "make_record"]


@dataclass(frozen=True, kw_only=True)
class Made:
    """The settings, weights and machine that a run was made with."""

    method: MethodIdentity
    backbone: BackboneIdentity
    weights: Weights | None = None
    """Trained weights of the method; None where it has none."""
    seconds: float
    """Wall time of this process's part."""
    peak_memory_mb: float
    """Most memory that one of its processes took, in 2^20 bytes."""
    deviations: Sequence[str] = ()
    """Deviations of the run; those of the data are added."""


def make_record(
    benchmark: Benchmark,
    scored: Sequence[Scored],
    lines: Mapping[str, SampleLine],
    *,
    expected: int,
    cell: CellIdentity,
    path: str,
    made: Made,
) -> Record:
    """Aggregate a run.

    Args:
        benchmark: what was asked.
        scored: the samples with their scores.
        lines: the stored lines by sample id; each says what it was made with.
        expected: number of samples that the run was to answer.
        cell: names of the run, and its settings.
        path: where the record is to be written.
        made: what the run was made with.
    """
    stored = [lines[s.sample.id] for s in scored]
    metrics = {**(benchmark.metrics(scored) if scored else {}), **likelihood_of(stored)}
    provenance = _provenance(benchmark, stored, made)
    thinking = Thinking(**count_thinking(line.answer for line in stored))
    return Record(
        cell=cell.cell,
        key=cell.key,
        model=cell.model,
        method=cell.method,
        writer=cell.writer,
        bench=cell.bench,
        protocol=cell.protocol,
        context=cell.context,
        control=cell.control,
        seed=cell.seed,
        limited=cell.limited,
        config=cell.config,
        path=path,
        fingerprint=benchmark.fingerprint(),
        complete=len(scored) == expected,
        n=Counts(expected=expected, scored=len(scored)),
        metrics=metrics,
        primary_metric=benchmark.primary_metric,
        cost=_cost(stored, made),
        deviations=(
            *benchmark.data().deviations,
            *made.deviations,
            *loss_notes(stored),
            *_endings(stored, thinking, may_fill=benchmark.fills_answers),
            *_doubts(stored, provenance, metrics.values()),
        ),
        provenance=provenance,
        date=timestamp(),
        thinking=thinking,
    )


def likelihood_of(lines: Sequence[SampleLine]) -> Mapping[str, Metric]:
    """How surprising the references were, as metrics; empty where none was weighed."""
    return likelihood_metrics(
        [
            Weighed(nats=line.reference_nll, history=line.history_id, groups=line.groups)
            for line in lines
        ]
    )


def _provenance(benchmark: Benchmark, lines: Sequence[SampleLine], made: Made) -> Provenance:
    origins = [line.origin for line in lines]
    return Provenance(
        data=benchmark.data(),
        method=made.method,
        backbone=BackboneUsed.used(made.backbone, NumericsUsed.of(o.numerics for o in origins)),
        weights=made.weights,
        environment=Environments.of(o.environment for o in origins),
    )


def _doubts(
    lines: Sequence[SampleLine], provenance: Provenance, metrics: Iterable[Metric]
) -> Iterator[str]:
    """Sentences on what makes a number less than it seems."""
    yield from _unwritten(lines, provenance.method)
    yield from _single(metrics)
    yield from _mixed(provenance.backbone, provenance.environment)


def _endings(lines: Sequence[SampleLine], thinking: Thinking, *, may_fill: bool) -> Iterator[str]:
    """Sentences on answers that did not end by themselves."""
    short = sum(line.finish == "window" for line in lines)
    if short:
        yield f"the window of the model ended {short} of {len(lines)} answers early"
    if lines and not may_fill and all(line.finish == "length" for line in lines):
        yield (
            f"all {len(lines)} answers were cut off at their limit of new tokens; none ended by "
            "itself"
        )
    if thinking.unfinished:
        yield (
            f"{thinking.unfinished} of {len(lines)} answers are unfinished thinking and count as "
            "none"
        )


def _unwritten(lines: Sequence[SampleLine], method: MethodIdentity) -> Iterator[str]:
    if lines and method.state_bytes != 0 and not any(line.all_written_tokens for line in lines):
        yield "nothing was written to the memory: these are answers of the bare backbone"


def _single(metrics: Iterable[Metric]) -> Iterator[str]:
    if any(metric.resampled == "questions" for metric in metrics):
        yield "a single history: the interval resamples questions and is too narrow"


def _mixed(numerics: NumericsUsed, environments: Environments) -> Iterator[str]:
    if apart := differing(numerics, environments):
        yield f"not all answers were made alike: {'; '.join(apart)}"


def _cost(lines: Sequence[SampleLine], made: Made) -> Cost:
    seconds = sum(line.answer_seconds for line in lines)
    sizes = _mean(line.state_bytes for line in lines)
    return Cost(
        trained_parameters=made.method.trained_parameters,
        state_bytes=made.method.state_bytes if sizes is None else round(sizes),
        prompt_tokens=_mean(line.prompt_tokens for line in lines),
        new_tokens=_mean(line.new_tokens for line in lines),
        written_tokens=_mean(line.all_written_tokens for line in lines),
        recalled_units=_mean(line.recalled_units for line in lines),
        dropped_units=_mean(line.dropped_units for line in lines),
        write_seconds=_mean(line.write_seconds for line in lines),
        answer_seconds=_mean(line.answer_seconds for line in lines),
        tokens_per_second=sum(line.new_tokens for line in lines) / seconds if seconds else None,
        wall_seconds=made.seconds,
        peak_memory_mb=made.peak_memory_mb,
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
