"""Micro-batches in which no history is written twice and little is padded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TypeVar

from deltamem.training.collate import EncodedEpisode
from deltamem.training.episodes import Episode

__all__ = ["micro_batches"]

TOGETHER = 16
"""Episodes of one history in a micro-batch at most: with the paper's lengths their questions take
as much memory as their history."""

Item = TypeVar("Item", bound=Episode | EncodedEpisode)


def micro_batches(episodes: Sequence[Item], size: int) -> list[list[Item]]:
    """Cut the episodes of a step into micro-batches of ``size`` histories.

    Episodes of one history (up to :data:`TOGETHER`) lie in one micro-batch, where ``collate``
    writes it once. Histories of similar length lie together, the longest first, so that what does
    not fit in memory fails at once. Where one micro-batch holds all of them, the order is kept.
    """
    seen: Counter[Hashable] = Counter()
    groups: dict[Hashable, list[Item]] = {}
    for episode in episodes:
        history = _history(episode)
        # nothing written is nothing to share
        part = seen[history] // (TOGETHER if _length(episode) else 1)
        groups.setdefault((history, part), []).append(episode)
        seen[history] += 1
    ordered = list(groups.values())
    if len(ordered) > size:
        ordered.sort(key=lambda group: _length(group[0]), reverse=True)
    return [
        [episode for group in ordered[i : i + size] for episode in group]
        for i in range(0, len(ordered), size)
    ]


def _history(episode: Episode | EncodedEpisode) -> Hashable:
    """Key of the written part: equal for episodes that leave the same state."""
    if isinstance(episode, EncodedEpisode):
        return episode.history
    return tuple((m["role"], m["content"]) for m in episode.written), episode.join


def _length(episode: Episode | EncodedEpisode) -> int:
    """Tokens of what is written, or its characters, which order texts well enough."""
    if isinstance(episode, EncodedEpisode):
        return len(episode.write_ids)
    return sum(len(m["content"]) for m in episode.written)
