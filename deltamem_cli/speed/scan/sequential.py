"""The delta rule on CUDA as the authors' release has it: what the fused form is measured against.

Of their design (declare-lab/delta-Mem, commit 5cd5d91) this keeps what decides its speed: one
program for each row of each state, which goes through all tokens one after the other; the state
before every token is stored for the way back; gradients of queries and keys, to which all rows
contribute, are added up atomically. Needs Triton, so it is imported where that is installed.

Letters: B batch, T time, N sub-states, R rank, G = B * N states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["backward_kernel", "delta_rule_sequential", "forward_kernel"]

IDLE = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0)
"""q, k, v, keep, erase, write of a token that is not there."""


def delta_rule_sequential(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    keep: Tensor,
    erase: Tensor,
    write: Tensor,
    state: Tensor,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Token by token in one kernel; contract of :func:`deltamem.delta_rule.delta_rule_naive`.

    At least one token, and queries are needed.
    """
    tokens: tuple[Tensor, ...] = (q, k, v, keep, erase, write)
    if mask is not None:
        gone = ~mask[:, :, None, None]
        tokens = tuple(x.masked_fill(gone, idle) for x, idle in zip(tokens, IDLE, strict=True))
    return _Sequential.apply(state, *tokens)


class _Sequential(torch.autograd.Function):
    """Reads and final state; every state in between is kept."""

    @staticmethod
    def forward(ctx: Any, state: Tensor, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        state, tokens = state.contiguous(), tuple(x.contiguous() for x in inputs)
        reads, final = state.new_empty(tokens[0].shape), torch.empty_like(state)
        before = state.new_empty(*tokens[0].shape, state.shape[-1])
        _run(forward_kernel, (tokens, state, before, reads, final), before)
        ctx.save_for_backward(before, *tokens)
        return reads, final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        before, *tokens = ctx.saved_tensors
        d_reads, d_final = (x.contiguous() for x in grads)
        # zeros, because every row adds to the gradients of queries and keys
        found = tuple(torch.zeros_like(x, dtype=before.dtype) for x in tokens)
        d_state = torch.empty_like(d_final)
        _run(backward_kernel, (tuple(tokens), before, d_reads, d_final, found, d_state), before)
        return d_state, *(d.to(x.dtype) for d, x in zip(found, tokens, strict=True))


def _run(kernel: Any, tensors: Sequence[Any], before: Tensor) -> None:
    batch, time, states, rank, _ = before.shape
    width = 1 << (rank - 1).bit_length()
    with torch.cuda.device_of(before):
        kernel[(batch * states, rank)](
            *tensors, time, states, rank, width=width, num_warps=1, enable_fp_fusion=True
        )


@triton.jit
def _token(
    tokens: tl.tuple,
    at: tl.tensor,
    row: tl.tensor,
    inside: tl.tensor,
    r: tl.tensor,
    like: tl.tensor,
) -> tl.tuple:
    """Queries and keys whole; v, keep, erase and write of one row."""
    kind = like.dtype.element_ty
    return (
        tl.load(tokens[0] + at + r, mask=inside, other=0.0).to(kind),
        tl.load(tokens[1] + at + r, mask=inside, other=0.0).to(kind),
        tl.load(tokens[2] + at + row).to(kind),
        tl.load(tokens[3] + at + row).to(kind),
        tl.load(tokens[4] + at + row).to(kind),
        tl.load(tokens[5] + at + row).to(kind),
    )


@triton.jit
def forward_kernel(
    tokens: tl.tuple,
    state: tl.tensor,
    before: tl.tensor,
    reads: tl.tensor,
    end: tl.tensor,
    time: tl.tensor,
    states: tl.tensor,
    rank: tl.tensor,
    width: tl.constexpr,
) -> None:
    """One row through all tokens: reads, the row ``before`` each (B, T, N, R, R), and its end.

    Grid (G, R). ``tokens`` are six of (B, T, N, R); ``width`` is R rounded up to a power of two.
    """
    g, row = tl.program_id(0).to(tl.int64), tl.program_id(1)
    r = tl.arange(0, width)
    inside = r < rank
    start = (g // states) * time * states + g % states
    s = tl.load(state + (g * rank + row) * rank + r, mask=inside, other=0.0)
    for t in range(time):
        at = (start + t * states) * rank
        tl.store(before + (at + row) * rank + r, s, mask=inside)
        q, k, v, keep, erase, write = _token(tokens, at, row, inside, r, state)
        tl.store(reads + at + row, tl.sum(s * q, axis=0))
        s = keep * s + (write * v - erase * tl.sum(s * k, axis=0)) * k
    tl.store(end + (g * rank + row) * rank + r, s, mask=inside)


@triton.jit
def backward_kernel(
    tokens: tl.tuple,
    before: tl.tensor,
    d_reads: tl.tensor,
    d_end: tl.tensor,
    d_tokens: tl.tuple,
    d_state: tl.tensor,
    time: tl.tensor,
    states: tl.tensor,
    rank: tl.tensor,
    width: tl.constexpr,
) -> None:
    """The same row from the last token to the first: gradients of all tokens and of the start.

    Grid (G, R). Every row adds to the gradients of queries and keys.
    """
    g, row = tl.program_id(0).to(tl.int64), tl.program_id(1)
    r = tl.arange(0, width)
    inside = r < rank
    start = (g // states) * time * states + g % states
    after = tl.load(d_end + (g * rank + row) * rank + r, mask=inside, other=0.0)
    for n in range(time):
        at = (start + (time - 1 - n) * states) * rank
        s = tl.load(before + (at + row) * rank + r, mask=inside, other=0.0)
        q, k, v, keep, erase, write = _token(tokens, at, row, inside, r, before)
        incoming = tl.load(d_reads + at + row)
        predicted, d_u = tl.sum(s * k, axis=0), tl.sum(after * k, axis=0)
        d_key = (write * v - erase * predicted) * after - erase * d_u * s
        tl.atomic_add(d_tokens[0] + at + r, incoming * s, mask=inside)
        tl.atomic_add(d_tokens[1] + at + r, d_key, mask=inside)
        tl.store(d_tokens[2] + at + row, write * d_u)
        tl.store(d_tokens[3] + at + row, tl.sum(after * s, axis=0))
        tl.store(d_tokens[4] + at + row, -predicted * d_u)
        tl.store(d_tokens[5] + at + row, v * d_u)
        after = keep * after - erase * d_u * k + incoming * q
    tl.store(d_state + (g * rank + row) * rank + r, after, mask=inside)
