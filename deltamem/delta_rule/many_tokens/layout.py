"""Blocks of time as lanes: (B, t, N, R) tensors to (C, R, L) and back.

Letters: B batch, t tokens of the block, N sub-states, R rank, G = B * N states, K chunks of C
tokens, L = G * K lanes, the chunks of a state side by side.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["Layout"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One block of ``tokens`` tokens, cut into ``chunks`` chunks; the last ones are filled up."""

    batch: int
    tokens: int
    states: int
    rank: int
    chunks: int

    @property
    def length(self) -> int:
        """C, tokens of a chunk."""
        return -(-self.tokens // self.chunks)

    def to_lanes(self, x: Tensor, *, like: Tensor, fill: float = 0.0) -> Tensor:
        """(B, t, N, ·) -> (C, ·, L) in the dtype of ``like``."""
        missing = self.chunks * self.length - self.tokens
        if missing:
            x = pad(x, (0, 0, 0, 0, 0, missing), value=fill)
        x = x.unflatten(1, (self.chunks, self.length)).permute(2, 4, 0, 3, 1)
        # a copy even where the order is the same, because lanes are overwritten
        return torch.empty(x.shape, dtype=like.dtype, device=x.device).copy_(x).flatten(2)

    def from_lanes(self, x: Tensor) -> Tensor:
        """(C, R, L) -> (B, t, N, R)."""
        x = x.unflatten(-1, (self.batch, self.states, self.chunks)).permute(2, 4, 0, 3, 1)
        return x.flatten(1, 2)[:, : self.tokens]

    def state_lanes(self, rows: Tensor) -> Tensor:
        """One state per chunk: (K, G * R, 1, R) -> (R, R, L)."""
        x = rows.view(self.chunks, -1, self.rank, self.rank)
        return x.permute(2, 3, 1, 0).clone(memory_format=torch.contiguous_format).flatten(2)

    def state_rows(self, lanes: Tensor) -> Tensor:
        """Back again, whatever the rows carry: (M, R, R, L) -> (K, G * R, M, R)."""
        x = lanes.unflatten(-1, (-1, self.chunks)).permute(4, 3, 1, 0, 2)
        return x.reshape(self.chunks, -1, len(lanes), self.rank)
