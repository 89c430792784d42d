"""Caches of several batches, put together row by row.

The last column is every row's newest token; what a row lacks is padding on its left. So the columns
between two tokens of a row are as many as before, whoever is beside it, which is all that a sliding
window asks.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from deltamem.backbone.cache import MemoryCache

__all__ = ["GrowingLayer", "can_move", "put_together", "right_aligned"]

ROOM = 128
"""Columns for tokens to come; with none left all are copied once."""


class GrowingLayer(DynamicLayer):
    """Keys and values of one layer with room for tokens to come.

    ``DynamicLayer`` copies every key and value for each new token, which costs more than attention
    to them does. These are written into the room; no other cache may share them.
    """

    def __init__(self, keys: Sequence[Tensor], values: Sequence[Tensor], *, columns: int) -> None:
        """Rows of (H, T, D), of which the last ``columns`` are kept."""
        super().__init__()
        self._rooms = tuple(right_aligned(rows, columns, room=ROOM) for rows in (keys, values))
        self.dtype, self.device = self._rooms[0].dtype, self._rooms[0].device
        self.is_initialized = True
        self.keys, self.values = self._shown(columns)

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Take in new columns (B, H, T, D); returns all."""
        before = self.get_seq_length()
        after = before + key_states.shape[-2]
        if after > self._rooms[0].shape[-2]:
            self._rooms = tuple(
                right_aligned(list(room), before, room=after - before + ROOM)
                for room in self._shown(before)
            )
        for room, new in zip(self._rooms, (key_states, value_states), strict=True):
            room[:, :, before:after] = new
        self.keys, self.values = keys, values = self._shown(after)
        return keys, values

    def _shown(self, columns: int) -> tuple[Tensor, Tensor]:
        keys, values = (room[:, :, :columns] for room in self._rooms)
        return keys, values


def right_aligned(rows: Sequence[Tensor], columns: int, *, room: int = 0) -> Tensor:
    """Rows (…, T, D), T of each its own -> (B, …, columns + room, D), the room on the right."""
    *outer, _, width = rows[0].shape
    whole = rows[0].new_zeros(len(rows), *outer, columns + room, width)
    for place, row in zip(whole, rows, strict=True):
        kept = min(row.shape[-2], columns)
        place[..., columns - kept : columns, :] = row[..., row.shape[-2] - kept :, :]
    return whole


def can_move(cache: MemoryCache) -> bool:
    """Whether rows of a cache can be moved to another: its layers keep columns and nothing else."""
    kinds = (DynamicLayer, DynamicSlidingWindowLayer, GrowingLayer)
    return all(type(layer) in kinds for layer in cache.layers)


def put_together(
    parts: Sequence[tuple[MemoryCache, Sequence[int]]], *, columns: int
) -> MemoryCache:
    """A cache of its own with some rows of several, in that order, and their memory states.

    Args:
        parts: caches of one model, with the rows that are taken of each.
        columns: tokens that are kept, padding included.
    """
    first, _ = parts[0]
    made = copy.copy(first)
    made.layers = [
        _layer([(cache.layers[i], rows) for cache, rows in parts], columns)
        for i in range(len(first.layers))
    ]
    memories = [c.memory.select(rows) for c, rows in parts if c.memory is not None]
    made.memory = memories[0].beside(*memories[1:]) if memories else None
    reaches = [c.reach[row] for c, rows in parts if c.reach is not None for row in rows]
    made.reach = reaches or None
    return made


def _layer(parts: Sequence[tuple[Any, Sequence[int]]], columns: int) -> Any:
    first, _ = parts[0]
    if not first.is_initialized:  # a model whose layers share them
        return copy.copy(first)
    keys = [layer.keys[row] for layer, rows in parts for row in rows]
    values = [layer.values[row] for layer, rows in parts for row in rows]
    if not first.is_sliding:
        return GrowingLayer(keys, values, columns=columns)
    made = copy.copy(first)
    made.cumulative_length = columns
    kept = min(columns, first.sliding_window - 1)
    made.keys, made.values = right_aligned(keys, kept), right_aligned(values, kept)
    return made
