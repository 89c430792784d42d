"""Histories that are written together, and questions that are asked together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from evaluations.benchmark import Benchmark
from evaluations.sample import Decoding, Sample

__all__ = ["LONG_HISTORY_CHARS", "Group", "batches", "questions", "told"]

LONG_HISTORY_CHARS = 20_000
"""Histories longer than this together are not written side by side."""
HELD = 256
"""Histories at once, at most, where they are empty: nothing is written, and all can be asked."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """A history and the questions about it."""

    history_id: str
    samples: list[Sample]
    chars: int
    """Characters of the history."""


def told(groups: Sequence[Group]) -> int:
    """Number of histories that say anything."""
    return sum(group.chars > 0 for group in groups)


def batches(benchmark: Benchmark, samples: Sequence[Sample], size: int) -> Iterator[list[Group]]:
    """Groups of samples that share a history; short histories come several at a time.

    Args:
        benchmark: has the histories.
        samples: those of one history one after the other.
        size: histories that are written together, at most.
    """
    batch: list[Group] = []
    for history_id, members in groupby(samples, key=lambda sample: sample.history_id):
        chars = sum(len(m["content"]) for m in benchmark.history(history_id).messages)
        group = Group(history_id=history_id, samples=list(members), chars=chars)
        more = [*batch, group]
        long = sum(group.chars for group in more) > LONG_HISTORY_CHARS
        if batch and (long or told(more) > size or len(more) > HELD):
            yield batch
            more = [group]
        batch = more
    if batch:
        yield batch


def questions(
    benchmark: Benchmark, groups: Sequence[Group]
) -> Iterator[tuple[list[tuple[int, Sample]], Decoding]]:
    """All (number of the history, sample) that are decoded alike."""
    alike: dict[Decoding, list[tuple[int, Sample]]] = {}
    for i, group in enumerate(groups):
        for sample in group.samples:
            alike.setdefault(benchmark.decoding(sample), []).append((i, sample))
    for decoding, asked in alike.items():
        yield asked, decoding
