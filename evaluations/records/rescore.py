"""Score stored answers again: a better scorer never costs a GPU."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from deltamem_base.faults import InvalidData
from evaluations.benchmark import Benchmark, Scored
from evaluations.records.provenance import git_commit, timestamp
from evaluations.records.record import Record
from evaluations.sample import Sample
from evaluations.thinking import count_thinking

__all__ = ["rescore"]


def rescore(record: Record, rows: Sequence[Mapping[str, Any]], benchmark: Benchmark) -> Record:
    """The record with the scores of ``benchmark`` beside its own, which stay as they are.

    Args:
        record: of the run.
        rows: its stored answers.
        benchmark: loaded; scores them.

    Raises:
        InvalidData: an answer to a question that this benchmark does not ask, or that has other
            references here, or no answer that can be scored.
    """
    samples = {sample.id: sample for sample in benchmark.samples()}
    unknown = [row["id"] for row in rows if row["id"] not in samples]
    if unknown:
        raise InvalidData(
            f"the run has {len(unknown)} answers to questions that are not in this data, the first "
            f"is {unknown[0]}: give the data of the run with bench.path=FILE"
        )
    every = [_score(benchmark, samples[row["id"]], row) for row in rows]
    scored = [s for s in every if all(math.isfinite(v) for v in s.scores.values())]
    if not scored:
        raise InvalidData("the run has no answer that can be scored")
    metrics = {
        name: {**asdict(metric), "ci95": list(metric.ci95)}
        for name, metric in benchmark.metrics(scored).items()
    }
    entry = {
        "date": timestamp(),
        "fingerprint": benchmark.fingerprint(),
        "metrics": metrics,
        "thinking": count_thinking(row["prediction"] for row in rows),
        **git_commit(),
    }
    earlier = list(record.extra.get("rescored", []))
    return replace(record, extra={**record.extra, "rescored": [*earlier, entry]})


def _score(benchmark: Benchmark, sample: Sample, row: Mapping[str, Any]) -> Scored:
    if list(sample.references) != list(row["references"]):
        raise InvalidData(
            f"{sample.id} had other references in the run than in this data: give the data and the "
            "settings of the run, such as bench.path=FILE"
        )
    return Scored(sample=sample, scores=benchmark.score(sample, row["prediction"]))
