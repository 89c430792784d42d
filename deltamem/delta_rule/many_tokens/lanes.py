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


@dataclass(frozen=True)
class Tokens:
    """The tokens of all lanes, each (C, R, L)."""

    q: Tensor | None
    k: Tensor
    v: Tensor
    keep: Tensor
    erase: Tensor
    write: Tensor

    def __getitem__(self, at: slice) -> Tokens:
        """Some tokens of every lane, in the same memory."""
        q = None if self.q is None else self.q[at]
        rest = (x[at] for x in (self.k, self.v, self.keep, self.erase, self.write))
        return Tokens(q, *rest)


def chunk_maps(tokens: Tokens) -> Tensor:
    """Affine maps of the lanes, for any state they may start from: (R + 1, R, R, L).

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
    earlier, change = torch.empty_like(after), torch.empty_like(after[:, :1])
    for t in reversed(range(length)):
        _step_back(tokens, t, after, d_reads, earlier, change)
        after, earlier = earlier, after
    return after


def _step_back(
    tokens: Tokens, t: int, after: Tensor, d_reads: Tensor | None, earlier: Tensor, d_u: Tensor
) -> Tensor:
    """Gradient before token ``t`` from the one after it, and ``d_u`` (R, 1, L) on the way.

    Returns ``erase d_u``.
    """
    key = tokens.k[t]
    torch.sum(torch.mul(after, key, out=earlier), 1, keepdim=True, out=d_u)
    erased = d_u * tokens.erase[t, :, None]
    torch.mul(after, tokens.keep[t, :, None], out=earlier).addcmul_(erased, key, value=-1)
    if tokens.q is not None and d_reads is not None:
        earlier.addcmul_(d_reads[t, :, None], tokens.q[t])
    return erased


def gradients(
    tokens: Tokens, states: Tensor, predicted: Tensor, d_reads: Tensor | None, after: Tensor
) -> Tensor:
    """Gradients of all tokens, put in the tokens' place, and of the state before the first.

    Args:
        tokens: of all lanes; overwritten. The gradient of v lies where the write gates were, that
            of the write gates where v was.
        states: before each token, (C, R, R, L).
        predicted: ``S k``, (C, R, L).
        d_reads: gradients of the reads, (C, R, L).
        after: gradients of the states after the last token, (R, R, L); overwritten.
    """
    u = torch.addcmul(tokens.write * tokens.v, tokens.erase, predicted, value=-1)
    d_u = torch.empty_like(tokens.k)
    earlier, product = torch.empty_like(after), torch.empty_like(after)
    for t in reversed(range(len(tokens.k))):
        erased = _step_back(tokens, t, after, d_reads, earlier, d_u[t, :, None])
        torch.sum(torch.mul(after, states[t], out=product), 1, out=tokens.keep[t])
        torch.mul(after, u[t, :, None], out=product).addcmul_(states[t], erased, value=-1)
        torch.sum(product, 0, out=tokens.k[t])
        if tokens.q is not None and d_reads is not None:
            torch.mul(states[t], d_reads[t, :, None], out=product)
            torch.sum(product, 0, out=tokens.q[t])
        after, earlier = earlier, after
    tokens.write.mul_(d_u)
    tokens.v.mul_(d_u)
    torch.mul(d_u, predicted, out=tokens.erase).neg_()
    return after
