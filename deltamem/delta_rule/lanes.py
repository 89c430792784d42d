"""The recurrence for many lanes at once, token by token, without a graph.

A lane is one chunk of one state. Lanes lie last in memory, so that every operation runs over
contiguous numbers whatever the rank. Gradients are written by hand (derivation in README.md).

Letters: C tokens of a lane, L lanes, R rank; states are (R, R, L), rows first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Tokens", "chunk_maps", "fresh_gradient", "gradients", "recur"]


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The tokens of all lanes, each (C, R, L)."""

    q: Tensor | None
    k: Tensor
    v: Tensor
    keep: Tensor
    erase: Tensor
    write: Tensor


def chunk_maps(tokens: Tokens) -> Tensor:
    """What each lane does to any state it may start from: (R + 1, R, R, L).

    Row ``i`` of a state leaves a lane as ``s M_i + f_i``: entry [:R, i] is ``M_i``, entry [R, i]
    is ``f_i``, the end of a lane that starts from nothing.
    """
    (length, rank, lanes), like = tokens.k.shape, tokens.k
    ends = like.new_zeros(rank + 1, rank, rank, lanes)
    ends[:rank].diagonal(dim1=0, dim2=2).fill_(1.0)
    target = (tokens.write * tokens.v)[:, :, None]
    product, change = torch.empty_like(ends), like.new_empty(rank + 1, rank, 1, lanes)
    for t in range(length):
        key = tokens.k[t]
        torch.sum(torch.mul(ends, key, out=product), 2, keepdim=True, out=change)
        change.mul_(tokens.erase[t, :, None])
        change[rank] -= target[t]
        ends.mul_(tokens.keep[t, :, None]).addcmul_(change, key, value=-1)
    return ends


def recur(
    tokens: Tokens, state: Tensor, *, states: Tensor | None = None, predicted: Tensor | None = None
) -> tuple[Tensor | None, Tensor]:
    """Read and write token by token from ``state`` (R, R, L).

    Args:
        tokens: of all lanes.
        state: before the first of them.
        states: (C, R, R, L), filled with the states before each token.
        predicted: (C, R, L), filled with ``S k``.

    Returns:
        Reads (C, R, L), or None without queries, and the states after the last token.
    """
    state, q = state.clone(), tokens.q
    target = tokens.write * tokens.v
    product, change = torch.empty_like(state), torch.empty_like(state[:, :1])
    reads = None if q is None else torch.empty_like(q)
    for t in range(len(tokens.k)):
        key = tokens.k[t]
        if states is not None:
            states[t] = state
        if q is not None and reads is not None:
            torch.sum(torch.mul(state, q[t], out=product), 1, out=reads[t])
        torch.sum(torch.mul(state, key, out=product), 1, keepdim=True, out=change)
        if predicted is not None:
            predicted[t] = change[:, 0]
        change.mul_(tokens.erase[t, :, None]).sub_(target[t, :, None])
        state.mul_(tokens.keep[t, :, None]).addcmul_(change, key, value=-1)
    return reads, state


def fresh_gradient(tokens: Tokens, d_reads: Tensor | None) -> Tensor:
    """Gradient of the state before each lane, (R, R, L), where nothing comes from after it."""
    length, rank, lanes = tokens.k.shape
    after = tokens.k.new_zeros(rank, rank, lanes)
    product, change = torch.empty_like(after), torch.empty_like(after[:, :1])
    for t in reversed(range(length)):
        _step_back(tokens, t, after, d_reads, product, change)
    return after


def _step_back(
    tokens: Tokens, t: int, after: Tensor, d_reads: Tensor | None, product: Tensor, change: Tensor
) -> Tensor:
    """``after`` becomes the gradient before token ``t``; returns ``A k`` of before (R, 1, L)."""
    key = tokens.k[t]
    torch.sum(torch.mul(after, key, out=product), 1, keepdim=True, out=change)
    erased = change * tokens.erase[t, :, None]
    after.mul_(tokens.keep[t, :, None]).addcmul_(erased, key, value=-1)
    if tokens.q is not None and d_reads is not None:
        after.addcmul_(d_reads[t, :, None], tokens.q[t])
    return change


def gradients(
    tokens: Tokens, states: Tensor, predicted: Tensor, d_reads: Tensor | None, after: Tensor
) -> tuple[Tokens, Tensor]:
    """Gradients of all tokens, and of the state before the first.

    Args:
        tokens: of all lanes.
        states: before each token, (C, R, R, L).
        predicted: ``S k``, (C, R, L).
        d_reads: gradients of the reads, (C, R, L).
        after: gradients of the states after the last token, (R, R, L).
    """
    after = after.clone()
    d_q = None if tokens.q is None else torch.empty_like(tokens.q)
    d_k, d_keep, d_u = (torch.empty_like(tokens.k) for _ in range(3))
    u = tokens.write * tokens.v - tokens.erase * predicted
    product, change = torch.empty_like(after), torch.empty_like(after[:, :1])
    for t in reversed(range(len(tokens.k))):
        state = states[t]
        torch.sum(torch.mul(after, state, out=product), 1, out=d_keep[t])
        torch.mul(after, u[t, :, None], out=product)
        d_u[t] = _step_back(tokens, t, after, d_reads, torch.empty_like(after), change)[:, 0]
        product.addcmul_(state, (d_u[t] * tokens.erase[t])[:, None], value=-1)
        torch.sum(product, 0, out=d_k[t])
        if d_q is not None and d_reads is not None:
            torch.sum(torch.mul(state, d_reads[t, :, None], out=product), 0, out=d_q[t])
    found = Tokens(
        q=d_q,
        k=d_k,
        v=d_u * tokens.write,
        keep=d_keep,
        erase=d_u.mul(predicted).neg_(),
        write=d_u * tokens.v,
    )
    return found, after
