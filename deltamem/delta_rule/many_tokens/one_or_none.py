"""One token (decoding) and no token (reading with writes off)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["delta_rule_step", "read_state"]


def read_state(q: Tensor, state: Tensor, mask: Tensor | None = None) -> Tensor:
    """Read a fixed state (equation 6): q (B, T, N, R), state (B, N, R, R) -> (B, T, N, R).

    Positions where ``mask`` (B, T) is false read zero, whatever they hold.
    """
    reads = (q.transpose(1, 2) @ state.transpose(-1, -2)).transpose(1, 2)
    return reads if mask is None else torch.where(mask[:, :, None, None], reads, 0.0)


def delta_rule_step(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    keep: Tensor,
    erase: Tensor,
    write: Tensor,
    state: Tensor,
    mask: Tensor | None = None,
) -> tuple[Tensor | None, Tensor]:
    """The recurrence for T = 1, without the machinery of chunks; contract of the naive form."""
    reads = None if q is None else read_state(q, state, mask)
    key = k[:, 0]
    change = write[:, 0] * v[:, 0] - erase[:, 0] * (state @ key[..., None])[..., 0]
    updated = keep[:, 0, :, :, None] * state + change[..., None] * key[..., None, :]
    if mask is not None:
        updated = torch.where(mask[:, 0, None, None, None], updated, state)
    return reads, updated
