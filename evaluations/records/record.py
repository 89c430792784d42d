"""The record of one cell: a number with its uncertainty, its cost and its provenance.

``record.json`` is written atomically. A record with missing or non-finite samples is not complete
and never reaches a table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deltamem_base.faults import InvalidData
from deltamem_base.json_text import read_document
from deltamem_base.plain_values import check_name, check_plain
from evaluations.benchmark import Benchmark, Scored
from evaluations.metrics.statistics import Metric
from evaluations.records.losses import loss_notes
from evaluations.records.origins import origins_of
from evaluations.records.provenance import peak_memory_mb, timestamp
from evaluations.thinking import count_thinking

__all__ = ["RECORD", "Record", "make_record", "read_record"]

RECORD = "record.json"
SCHEMA = 1
NAMES = ("cell", "model", "method", "writer", "bench", "protocol", "context", "control")
"""Fields that are names: of options, or of the run."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One (model, method, benchmark, context, control, seed) with what came out."""

    cell: str
    """Name of the run: what it is, and a hash of all that decides its answers."""
    model: str
    method: str
    writer: str | None
    bench: str
    protocol: str
    context: str
    """``visible``, ``part`` or ``none``: what of the history the backbone still saw."""
    control: str
    seed: int
    fingerprint: str
    """Of the benchmark's protocol and data; numbers compare only where it is equal."""
    complete: bool
    limited: bool
    """Only the first samples were asked: not comparable with a full run."""
    n: Mapping[str, int]
    """``expected`` and ``scored``."""
    metrics: Mapping[str, Mapping[str, Any]]
    primary_metric: str
    cost: Mapping[str, float | int | None]
    deviations: Sequence[str]
    provenance: Mapping[str, Any]
    config: Mapping[str, Any]
    date: str
    path: str
    schema: int = SCHEMA
    thinking: Mapping[str, int] = field(default_factory=dict)
    """Answers whose thinking was ``cut``, and those that are ``unfinished`` thinking alone."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def weights_sha(self) -> str | None:
        """Of the trained weights; None where a method has none."""
        method = self.provenance.get("method", {})
        return method.get("adapter_sha") or method.get("weights_sha")

    @property
    def settings(self) -> dict[str, Any]:
        """What a row of the paper may ask for: what the method says of itself, and the choices."""
        named = ("model", "method", "writer", "context", "protocol")
        choices = {name: getattr(self, name) for name in named}
        return {**self.provenance.get("method", {}), **choices}

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def make_record(
    benchmark: Benchmark,
    scored: Sequence[Scored],
    rows: Mapping[str, Mapping[str, Any]],
    *,
    expected: int,
    identity: Mapping[str, Any],
    described: Mapping[str, Any],
    deviations: Sequence[str],
    seconds: float,
    weights: Mapping[str, Any] | None = None,
) -> Record:
    """Aggregate a run.

    Args:
        benchmark: what was asked.
        scored: the samples with their scores.
        rows: the stored lines by sample id; each says what it was made with.
        expected: number of samples that the run was to answer.
        identity: the fields of :class:`Record` that name the cell, with ``config`` and ``path``.
        described: what the method says of itself.
        deviations: of the run; those of the data are added.
        seconds: wall time of this process's part.
        weights: where the trained weights of the method come from; None where it has none.
    """
    finite = [s for s in scored if all(math.isfinite(v) for v in s.scores.values())]
    metrics = {name: _metric(m) for name, m in benchmark.metrics(finite).items()} if finite else {}
    data = benchmark.data()
    notes = [*data.deviations, *deviations, *loss_notes([rows[s.sample.id] for s in scored])]
    short = sum(rows[s.sample.id]["finish"] == "window" for s in scored)
    if short:
        notes.append(f"the window of the model ended {short} of {len(scored)} answers early")
    endless = scored and all(rows[s.sample.id]["finish"] == "length" for s in scored)
    if endless and not benchmark.fills_answers:
        notes.append(
            f"all {len(scored)} answers were cut off at their limit of new tokens; none ended by "
            "itself"
        )
    thinking = count_thinking(rows[s.sample.id]["prediction"] for s in scored)
    if thinking["unfinished"]:
        notes.append(
            f"{thinking['unfinished']} of {len(scored)} answers are unfinished thinking and count "
            "as none"
        )
    if rows and described.get("state_bytes", 0) != 0 and not any(map(_written, rows.values())):
        notes.append("nothing was written to the memory: these are answers of the bare backbone")
    if any(m["resampled"] == "questions" for m in metrics.values()):
        notes.append("a single history: the interval resamples questions and is too narrow")
    origins = origins_of(rows[s.sample.id] for s in scored)
    if origins.differing:
        notes.append(f"not all answers were made alike: {'; '.join(origins.differing)}")
    return Record(
        **identity,
        fingerprint=benchmark.fingerprint(),
        complete=len(finite) == expected,
        n={"expected": expected, "scored": len(finite)},
        metrics=metrics,
        primary_metric=benchmark.primary_metric,
        cost=_cost([rows[s.sample.id] for s in scored], described, seconds),
        deviations=notes,
        provenance={
            "data": asdict(data),
            "method": {**described, **origins.numerics},
            "weights": None if weights is None else dict(weights),
            **origins.environment,
        },
        date=timestamp(),
        thinking=thinking,
    )


def _metric(metric: Metric) -> dict[str, Any]:
    return {**asdict(metric), "ci95": list(metric.ci95)}


def _cost(
    rows: Sequence[Mapping[str, Any]], described: Mapping[str, Any], seconds: float
) -> dict[str, float | int | None]:
    """Means per question, sizes, and totals of the run."""

    def mean(name: str) -> float | None:
        return sum(row[name] for row in rows) / len(rows) if rows else None

    return {
        "trained_parameters": described.get("trained_parameters", 0),
        "state_bytes": _state_bytes(rows, described),
        "prompt_tokens": mean("prompt_tokens"),
        "new_tokens": mean("new_tokens"),
        "written_tokens": sum(map(_written, rows)) / len(rows) if rows else None,
        "write_seconds": mean("write_seconds"),
        "answer_seconds": mean("answer_seconds"),
        "tokens_per_second": _rate(rows),
        "wall_seconds": seconds,
        "peak_memory_mb": peak_memory_mb(),
    }


def _written(row: Mapping[str, Any]) -> int:
    """Number of tokens that the memory took in for one answer, before the question and after."""
    return int(row["written_tokens"]) + int(row.get("answer_written_tokens", 0))


def _rate(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """New tokens per second of answering."""
    seconds = sum(row["answer_seconds"] for row in rows)
    return sum(row["new_tokens"] for row in rows) / seconds if seconds > 0 else None


def _state_bytes(rows: Sequence[Mapping[str, Any]], described: Mapping[str, Any]) -> int | None:
    """Mean over questions where a history leaves more or less, else the method's fixed size."""
    sizes = [row["state_bytes"] for row in rows if row.get("state_bytes") is not None]
    return round(sum(sizes) / len(sizes)) if sizes else described.get("state_bytes", 0)


def read_record(path: Path) -> Record:
    """A record from its file.

    Raises:
        InvalidData: not a record, a damaged one, or one that names a path or something to run.
    """
    try:
        record = Record(**read_document(path, dict))
    except (ValueError, TypeError) as fault:
        raise InvalidData(
            f"{path} is not a whole record ({fault}): run the same `deltamem eval` again, it goes "
            "on from the stored samples"
        ) from fault
    for key in NAMES:
        if (name := getattr(record, key)) is not None:
            check_name(name, where=str(path), key=key)
    check_plain(record.config, where=str(path))
    return record
