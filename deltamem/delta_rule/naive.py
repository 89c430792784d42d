"""The recurrence itself, token by token (paper, equations 6 and 10-12): the oracle.

Letters: B batch, T time, N sub-states, R rank.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["delta_rule_naive"]


def delta_rule_naive(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    keep: Tensor,
    erase: Tensor,
    write: Tensor,
    state: Tensor,
    mask: Tensor | None = None,
) -> tuple[Tensor | None, Tensor]:
    """Read, then write, one token after the other, in the dtype of ``state``.

    Per row ``i`` of a state ``S``: ``r_i = S_i . q`` and then
    ``S_i <- keep_i S_i - erase_i (S_i . k) k + write_i v_i k``.

    Args:
        q, k, v: (B, T, N, R). ``q=None`` skips the reads.
        keep, erase, write: the row-wise gates, (B, T, N, R).
        state: S before the first token, (B, N, R, R): rows value space, columns key space.
        mask: (B, T) bool; a masked token neither reads (its read is zero) nor writes.

    Returns:
        Reads (B, T, N, R), or None without ``q``, and the state after the last token.
    """
    reads = []
    for t in range(k.shape[1]):
        k_t = k[:, t, :, None, :].to(state.dtype)
        gates = [gate[:, t, :, :, None].to(state.dtype) for gate in (keep, erase, write)]
        predicted = (state * k_t).sum(-1, keepdim=True)
        value = v[:, t, :, :, None].to(state.dtype)
        updated = gates[0] * state + (gates[2] * value - gates[1] * predicted) * k_t
        if q is not None:
            read = (state * q[:, t, :, None, :].to(state.dtype)).sum(-1)
            if mask is not None:
                read = torch.where(mask[:, t, None, None], read, torch.zeros_like(read))
            reads.append(read)
        state = (
            updated if mask is None else torch.where(mask[:, t, None, None, None], updated, state)
        )
    if q is None:
        return None, state
    return torch.stack(reads, dim=1) if reads else state.new_zeros(q.shape), state
