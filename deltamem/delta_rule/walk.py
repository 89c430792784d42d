"""From chunk to chunk: every row of a state goes through the affine maps of its chunks.

Letters: G states, K chunks, R rank.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["walk"]


def _group_size(chunks: int) -> int:
    """Chunks that are composed into one map first, so that two short walks replace a long one."""
    return max(size for size in range(1, math.isqrt(chunks) + 1) if chunks % size == 0)


def walk(maps: Tensor, fresh: Tensor, state: Tensor) -> Tensor:
    """States at the start of every chunk.

    Args:
        maps: (K, G * R, R, R): a row leaves chunk ``n`` as ``s maps[n] + fresh[n]``.
        fresh: (K, G * R, 1, R).
        state: rows before the first chunk, (G * R, 1, R).

    Returns:
        (K, G * R, 1, R).
    """
    chunks, size = len(maps), _group_size(len(maps))
    if size < 3:
        return _in_turn(maps, fresh, state)
    # (size, groups * G * R, ...): the first chunks of all groups, then the second ones ...
    maps, fresh = (
        x.unflatten(0, (-1, size)).transpose(0, 1).reshape(size, -1, *x.shape[2:])
        for x in (maps, fresh)
    )
    whole, rest = maps[0], fresh[0]
    for number in range(1, size):
        whole, rest = whole @ maps[number], torch.baddbmm(fresh[number], rest, maps[number])
    groups = chunks // size
    whole, rest = (x.view(groups, -1, *x.shape[1:]) for x in (whole, rest))
    starts = _in_turn(maps, fresh, _in_turn(whole, rest, state).flatten(0, 1))
    return starts.unflatten(1, (groups, -1)).transpose(0, 1).flatten(0, 1)


def _in_turn(maps: Tensor, fresh: Tensor, state: Tensor) -> Tensor:
    starts = torch.empty_like(fresh)
    for number in range(len(maps)):
        starts[number] = state
        if number + 1 < len(maps):
            state = torch.baddbmm(fresh[number], state, maps[number])
    return starts
