"""One token after the other without a graph, and gradients written by hand: many sequences at once.

A row of the state obeys ``s_t = s_{t-1} M_t + x_t`` with ``M_t = keep_t I - erase_t k_t k_t^T``.
Since ``M_t`` is symmetric, the gradient runs backwards through the very same recurrence, with the
reads' gradients as its input. What does not depend on the order is done for all tokens at once.

Letters: T time, G = B * N independent states, R rank.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["delta_rule_recurrent"]


def delta_rule_recurrent(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    keep: Tensor,
    erase: Tensor,
    write: Tensor,
    state: Tensor,
    mask: Tensor | None = None,
) -> tuple[Tensor | None, Tensor]:
    """Sequential form of :func:`deltamem.delta_rule.naive.delta_rule_naive`; same contract."""
    batch, time, states, rank = k.shape
    if time == 0:
        return (None if q is None else torch.zeros_like(q)), state
    if mask is not None:
        gone = ~mask[:, :, None, None]
        k, v, erase, write = (x.masked_fill(gone, 0.0) for x in (k, v, erase, write))
        keep = keep.masked_fill(gone, 1.0)
        q = None if q is None else q.masked_fill(gone, 0.0)
    flat = [
        x.transpose(0, 1).reshape(time, batch * states, rank) for x in (k, v, keep, erase, write)
    ]
    asked = torch.zeros_like(flat[0]) if q is None else q.transpose(0, 1).reshape(flat[0].shape)
    reads, final = _Recurrence.apply(asked, *flat, state.reshape(-1, rank, rank))
    final = final.view(batch, states, rank, rank)
    if q is None:
        return None, final
    return reads.view(time, batch, states, rank).transpose(0, 1), final


class _Recurrence(torch.autograd.Function):
    """Reads and final state of (T, G, R) inputs, from a state (G, R, R)."""

    @staticmethod
    def forward(
        ctx: Any,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        keep: Tensor,
        erase: Tensor,
        write: Tensor,
        state: Tensor,
    ) -> tuple[Tensor, Tensor]:
        inputs = (write * v)[..., None] * k[..., None, :]
        before, final = _scan(k, keep, erase, inputs, state)
        ctx.save_for_backward(q, k, v, keep, erase, write, before)
        return torch.einsum("tgij,tgj->tgi", before, q), final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        q, k, v, keep, erase, write, before = ctx.saved_tensors
        d_reads, d_final = grads
        inputs = (d_reads[..., None] * q[..., None, :]).flip(0)
        after, d_state = _scan(k.flip(0), keep.flip(0), erase.flip(0), inputs, d_final)
        after = after.flip(0)  # gradient of the state after each token
        d_u = torch.einsum("tgij,tgj->tgi", after, k)
        predicted = torch.einsum("tgij,tgj->tgi", before, k)
        u = write * v - erase * predicted
        d_k = torch.einsum("tgij,tgi->tgj", after, u)
        d_k -= torch.einsum("tgij,tgi->tgj", before, d_u * erase)
        d_q = torch.einsum("tgij,tgi->tgj", before, d_reads)
        d_keep = (after * before).sum(-1)
        return d_q, d_k, d_u * write, d_keep, -d_u * predicted, d_u * v, d_state


def _scan(
    k: Tensor, keep: Tensor, erase: Tensor, inputs: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """``S <- keep S - erase (S k) k^T + X`` for every token: all states before, and the last."""
    before = torch.empty_like(inputs)
    keep, erase = keep[..., None], erase[..., None]
    key_rows = k[..., None, :]
    for t in range(k.shape[0]):
        before[t] = state
        predicted = (state * key_rows[t]).sum(-1, keepdim=True).mul_(erase[t])
        state = torch.addcmul(inputs[t], keep[t], state).addcmul_(predicted, key_rows[t], value=-1)
    return before, state
