"""Carry states from chunk to chunk: each row goes through the affine maps of its chunks.

Letters: G states, K chunks, R rank.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["chunk_starts"]


def _group_size(chunks: int) -> int:
    """Chunks that are composed into one map first, so that two short loops replace a long one."""
    return max(size for size in range(1, math.isqrt(chunks) + 1) if chunks % size == 0)


def chunk_starts(maps: Tensor, fresh: Tensor, state: Tensor, *, backwards: bool = False) -> Tensor:
    """States at the start of every chunk: a row ``s`` leaves chunk ``n`` as ``s M_n + f_n``.

    Args:
        maps: M, (K, G * R, R, R).
        fresh: f, (K, G * R, 1, R).
        state: rows before the first chunk, (G * R, 1, R).
        backwards: from the last chunk to the first: ``state`` comes after the last one, and each
            row of the answer after its chunk.

    Returns:
        (K, G * R, 1, R).
    """
    size = _group_size(len(maps))
    if size < 3:
        return _in_turn(maps, fresh, state, backwards)
    # (size, groups * G * R, ...): the first chunks of all groups, then the second ones ...
    maps, fresh = (
        x.unflatten(0, (-1, size)).transpose(0, 1).reshape(size, -1, *x.shape[2:])
        for x in (maps, fresh)
    )
    (whole, rest), *others = _order(maps, fresh, backwards)
    for move, new in others:
        whole, rest = whole @ move, torch.baddbmm(new, rest, move)
    whole, rest = (x.unflatten(0, (-1, len(state))) for x in (whole, rest))
    group_starts = _in_turn(whole, rest, state, backwards).flatten(0, 1)
    starts = _in_turn(maps, fresh, group_starts, backwards)
    return starts.unflatten(1, (-1, len(state))).transpose(0, 1).flatten(0, 1)


def _in_turn(maps: Tensor, fresh: Tensor, state: Tensor, backwards: bool) -> Tensor:
    """The same as :func:`chunk_starts`, without groups."""
    starts = []
    for move, new in _order(maps, fresh, backwards):
        starts.append(state)
        state = torch.baddbmm(new, state, move)
    return torch.stack(starts[::-1] if backwards else starts)


def _order(maps: Tensor, fresh: Tensor, backwards: bool) -> list[tuple[Tensor, Tensor]]:
    steps = list(zip(maps.unbind(0), fresh.unbind(0), strict=True))
    return steps[::-1] if backwards else steps
