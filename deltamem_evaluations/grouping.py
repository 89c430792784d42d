"""Histories that are written together, questions that are asked together, and who takes which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.sample import Decoding, Sample

__all__ = ["LONG_HISTORY_CHARS", "Group", "batches", "questions", "share", "told"]

LONG_HISTORY_CHARS = 20_000
"""Histories longer than this together are not written side by side."""
NEW_TOKEN_CHARS = 32
"""Characters that are read in about the time of one token that is generated."""
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
        chars = benchmark.history(history_id).chars
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


def share(
    benchmark: Benchmark, samples: Sequence[Sample], *, process: int, processes: int
) -> list[Sample]:
    """The samples that one of several processes answers: all questions of a history or none.

    The longest history is given away first, each to the process that has least to do so far. So it
    follows from the samples alone who answers which, and all have about as much to do.

    Args:
        benchmark: has the histories.
        samples: those of one history one after the other.
        process: number of the process, from 0 on.
        processes: how many there are.
    """
    histories = [list(members) for _, members in groupby(samples, key=lambda s: s.history_id)]
    lengths = [_length(benchmark, members) for members in histories]
    given = [0] * processes
    mine: set[int] = set()
    for place in sorted(range(len(histories)), key=lambda n: -lengths[n]):
        least = given.index(min(given))
        given[least] += lengths[place]
        if least == process:
            mine.add(place)
    return [sample for place in sorted(mine) for sample in histories[place]]


def _length(benchmark: Benchmark, samples: Sequence[Sample]) -> int:
    """Characters of a history and of questions about it, with room for the answers."""
    told = benchmark.history(samples[0].history_id).chars
    room = sum(benchmark.decoding(s).max_new_tokens for s in samples) * NEW_TOKEN_CHARS
    return told + sum(len(s.question) for s in samples) + room
