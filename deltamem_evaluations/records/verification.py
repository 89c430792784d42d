"""Does a published run hold together? Digests, ids and counts, and every number made again.

What is made again depends on what is here. Metrics always follow from the scores of the lines; the
scores follow from the answers, where these were not withheld; ids, references and the fingerprint
follow from the benchmark's data, where these are on this machine.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, get_args, get_origin

from deltamem_base.typed_json import typed
from deltamem_evaluations.benchmark import Benchmark, Scored
from deltamem_evaluations.metrics.statistics import Metric
from deltamem_evaluations.records.local_places import local_places
from deltamem_evaluations.records.making import likelihood_of
from deltamem_evaluations.records.publication import Publication, record_digest
from deltamem_evaluations.records.record import Record
from deltamem_evaluations.records.sample_line import SampleLine, line_text
from deltamem_evaluations.records.stored import Run
from deltamem_evaluations.sample import Sample

__all__ = ["faults_of_published"]

TOLERANCE = 1e-9
"""Difference of two numbers that are the same: means are sums of thousands of floats."""
TEXTS = ("question", "asked", "metadata", "references", "prediction")
"""Fields of a line that hold what a benchmark or a model said."""


def faults_of_published(
    run: Run, said: Publication, benchmark: Benchmark[Any], *, samples: Sequence[Sample] | None
) -> Iterator[str]:
    """Sentences on all that does not fit in a published run; none where it holds together.

    Args:
        run: the record with its lines.
        said: what was said of it when it was published.
        benchmark: of the record's settings; loaded where ``samples`` are given.
        samples: all questions of the benchmark; None where its data are not on this machine.
    """
    record, lines = run.record, list(run.lines.values())
    yield from _extent(record, lines)
    yield from _digests(record, lines, said)
    yield from _texts(lines, said, benchmark)
    yield from _places(record, lines)
    known = None if samples is None else {sample.id: sample for sample in samples}
    if known is not None:
        yield from _questions(record, lines, known, benchmark.fingerprint())
        if lines and lines[0].id not in known:
            return
    scored = [Scored(sample=_sample(line, benchmark, known), scores=line.scores) for line in lines]
    for one, line in zip(scored, lines, strict=True):
        if not line.is_withheld:
            yield from _scores(line, benchmark.score(one.sample, line.answer))
    if all(type(one.sample) is not Sample for one in scored) or _is_plain(benchmark):
        yield from _metrics(record, {**benchmark.metrics(scored), **likelihood_of(lines)})


def _extent(record: Record, lines: Sequence[SampleLine]) -> Iterator[str]:
    if not record.complete or record.limited:
        yield "it is not complete"
    if not record.n.expected == record.n.scored == len(lines):
        yield (
            f"it has {len(lines)} lines, and its record counts {record.n.scored} of "
            f"{record.n.expected}"
        )
    if not record.cell.endswith(f"__{record.key[:8]}"):
        yield f"the key {record.key[:8]} is not that of its name, {record.cell}"


def _digests(record: Record, lines: Sequence[SampleLine], said: Publication) -> Iterator[str]:
    if record_digest(record) != said.record_sha256:
        yield "its record was changed after it was published"
    content = "".join(map(line_text, lines)).encode()
    if hashlib.sha256(content).hexdigest() != said.samples_sha256:
        yield "its lines were changed after it was published"


def _texts(
    lines: Sequence[SampleLine], said: Publication, benchmark: Benchmark[Any]
) -> Iterator[str]:
    shown = [line.id for line in lines if not line.is_withheld]
    if shown and not (benchmark.texts_may_be_shared and said.texts == "whole"):
        yield f"it shows the texts of {shown[0]}, which may not be spread"
    for line in lines:
        texts = (line.question, line.asked, line.references, line.metadata)
        if line.is_withheld and (any(texts) or line.prediction_sha256 is None):
            yield f"the line of {line.id} is neither whole nor without texts"
            return


def _places(record: Record, lines: Sequence[SampleLine]) -> Iterator[str]:
    """Folders of a machine, wherever neither a benchmark nor a model is speaking."""
    own = [{k: v for k, v in asdict(line).items() if k not in TEXTS} for line in lines]
    for found in local_places([record.to_json(), own]):
        yield f"it names a place on one machine: {found!r:.80}"
        return


def _questions(
    record: Record, lines: Sequence[SampleLine], known: Mapping[str, Sample], fingerprint: str
) -> Iterator[str]:
    if fingerprint != record.fingerprint:
        yield (
            f"its fingerprint {record.fingerprint} is not that of these settings and data, "
            f"{fingerprint}"
        )
    apart = known.keys() ^ {line.id for line in lines}
    if apart:
        yield f"{len(apart)} questions are not those of the benchmark, such as {min(apart)}"
    for line in lines:
        sample = known.get(line.id)
        if sample is None or line.is_withheld:
            continue
        if (sample.references, sample.groups) != (line.references, line.groups):
            yield f"{line.id} has other references or groups in the benchmark"
            return


def _sample(
    line: SampleLine, benchmark: Benchmark[Any], known: Mapping[str, Sample] | None
) -> Sample:
    """The question of a line: the benchmark's own, else from the line itself."""
    if known is not None and line.id in known:
        return known[line.id]
    content = {
        "id": line.id,
        "history_id": line.history_id,
        "question": line.question or "",
        "asked": line.asked or "",
        "references": list(line.references),
        "groups": list(line.groups),
    }
    if line.is_withheld:
        return typed(content, Sample, where=line.id)
    kind = _kind_of(type(benchmark))
    return typed({**content, **line.metadata}, kind, where=f"the line of {line.id}")


def _kind_of(benchmark: type[Benchmark[Any]]) -> type[Sample]:
    """The class of a benchmark's samples, which it names as its base's parameter."""
    for one in benchmark.__mro__:
        for base in getattr(one, "__orig_bases__", ()):
            kinds = get_args(base)
            if get_origin(base) is Benchmark and isinstance(kinds[0], type):
                found: type[Sample] = kinds[0]
                return found
    return Sample


def _is_plain(benchmark: Benchmark[Any]) -> bool:
    """Whether its metrics follow from scores, histories and groups alone."""
    return type(benchmark).metrics is Benchmark.metrics


def _scores(line: SampleLine, made: Mapping[str, float]) -> Iterator[str]:
    if not _alike(dict(line.scores), dict(made)):
        yield f"{line.id} is scored {dict(line.scores)}, and its answer scores {dict(made)}"


def _metrics(record: Record, made: Mapping[str, Metric]) -> Iterator[str]:
    for name in dict.fromkeys([*record.metrics, *made]):
        own, again = record.metrics.get(name), made.get(name)
        if own is None or again is None or not _alike(asdict(own), asdict(again)):
            yield f"its metric {name} does not follow from the scores of its lines"


def _alike(one: object, other: object) -> bool:
    """Whether two trees of plain values are the same, numbers up to rounding."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_alike(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=0, abs_tol=TOLERANCE)
    return bool(one == other)
