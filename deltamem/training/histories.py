"""Micro-batches in which no history is written twice and little is padded."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

from deltamem.training.collate import EncodedEpisode
from deltamem.training.episodes import Episode, written_part

__all__ = ["micro_batches"]

TOGETHER = 16
"""Questions about one history in a micro-batch at most, unless an episode has more of its own: with
the paper's lengths they take as much memory as their history."""

Item = TypeVar("Item", bound=Episode | EncodedEpisode)


def micro_batches(episodes: Sequence[Item], size: int) -> list[list[Item]]:
    """Cut the episodes of a step into micro-batches of ``size`` histories.

    Episodes of one history, up to :data:`TOGETHER` questions, lie in one micro-batch, where
    ``collate`` writes it once. Histories of similar length lie together, the longest first, so that
    what does not fit in memory fails at once. Where one micro-batch holds all of them, the order is
    kept.
    """
    ordered: list[list[Item]] = []
    open_groups: dict[Hashable, list[Item]] = {}
    for episode in episodes:
        # nothing written is nothing to share
        group = open_groups.get(_history(episode)) if _length(episode) else None
        if group is None or sum(len(e.asks) for e in (*group, episode)) > TOGETHER:
            open_groups[_history(episode)] = group = []
            ordered.append(group)
        group.append(episode)
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
    return written_part(episode)


def _length(episode: Episode | EncodedEpisode) -> int:
    """Tokens of what is written, or its characters, which order texts well enough."""
    if isinstance(episode, EncodedEpisode):
        return len(episode.write_ids)
    return sum(len(m["content"]) for m in episode.written)
