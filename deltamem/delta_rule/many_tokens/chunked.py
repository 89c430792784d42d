"""The same recurrence, many chunks at once, in plain torch (derivation in README.md).

Time is cut into blocks, a block into chunks. What a chunk does to the state it starts from is an
affine map; once the maps are walked, all chunks go through their tokens side by side. Enough
states need no chunks: then a block is one chunk, and no map is made.

Letters: B batch, T time, N sub-states, R rank, G = B * N states, K chunks of C tokens,
L = G * K lanes. Rows of states are (G * R, 1, R).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from deltamem.delta_rule.many_tokens.carry import chunk_starts
from deltamem.delta_rule.many_tokens.lanes import (
    Tokens,
    chunk_maps,
    fresh_gradient,
    gradients,
    recur,
)
from deltamem.delta_rule.many_tokens.layout import Layout
from deltamem.delta_rule.threads import one_thread

__all__ = ["delta_rule_chunked"]

BLOCK = 8192
"""Tokens of all states together that are in lanes at once."""
CHUNKS, LANES = 256, 512
"""Chunks of a state, and lanes, at most: more make the loop longer or leave a CPU's cache."""
WIDE = 64
"""More states than these are lanes enough: maps would cost more than the steps they save."""
SHORTEST = 8
"""Tokens of a chunk at least."""
PIECE = 16
"""Tokens of a chunk whose states are made again at once, for their gradients ..."""
WHOLE = 64
"""... and of a block where there is one chunk only."""

Part = tuple[Layout, slice]
NAMES = ("q", "k", "v", "keep", "erase", "write")


def delta_rule_chunked(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    keep: Tensor,
    erase: Tensor,
    write: Tensor,
    state: Tensor,
    mask: Tensor | None = None,
    *,
    chunks: int | None = None,
    block: int | None = None,
) -> tuple[Tensor | None, Tensor]:
    """Chunk-parallel form of :func:`deltamem.delta_rule.naive.delta_rule_naive`; same contract.

    ``block`` tokens at a time, in ``chunks`` chunks; both suit the shape if left out.
    """
    batch, time, states, _ = k.shape
    if time == 0:
        return (None if q is None else torch.zeros_like(q)), state
    size, count = _plan(batch * states, time)
    size, count = block or size, chunks or count
    inputs = (q, k, v, keep, erase, write, state)
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in inputs):
        return _Scan.apply(*inputs, mask, size, count)
    return _forward(inputs, mask, list(_parts(k, size, count)), kept=None)


def _plan(states: int, time: int) -> tuple[int, int]:
    """Tokens of a block, and its chunks: a power of two, so that they can be grouped."""
    size = max(BLOCK // states, WHOLE)
    size = -(-time // -(-time // size))
    most = min(CHUNKS, LANES // states, size // SHORTEST)
    if states > WIDE or most < 4:
        return WHOLE, 1
    return size, 1 << (most.bit_length() - 1)


def _parts(k: Tensor, size: int, chunks: int) -> Iterator[Part]:
    batch, time, states, rank = k.shape
    for start in range(0, time, size):
        end = min(start + size, time)
        yield (
            Layout(
                batch=batch,
                tokens=end - start,
                states=states,
                rank=rank,
                chunks=min(chunks, end - start),
            ),
            slice(start, end),
        )


class _Scan(torch.autograd.Function):
    """Reads and final state; maps and starts of the chunks are kept, states are made again."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor | None, Tensor]:
        *tensors, mask, size, chunks = inputs
        ctx.parts = list(_parts(tensors[1], size, chunks))
        kept: list[Tensor | None] = []
        reads, final = _forward(tuple(tensors), mask, ctx.parts, kept=kept)
        ctx.save_for_backward(*tensors, mask, *kept)
        return reads, final

    @staticmethod
    @once_differentiable
    @one_thread()
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        # asked for once, as activation checkpointing wants it
        saved, (d_reads, d_final) = ctx.saved_tensors, grads
        *tensors, mask = saved[: len(NAMES) + 2]
        kept = list(saved[len(NAMES) + 2 :])
        found = [None if x is None else torch.empty_like(x) for x in tensors[: len(NAMES)]]
        d_rows = d_final.reshape(-1, 1, d_final.shape[-1])
        for layout, at in reversed(ctx.parts):
            maps, starts = kept.pop(), kept.pop()
            tokens, gone = _tokens(layout, at, tensors, mask)
            incoming = None if tokens.q is None else _lanes(layout, d_reads[:, at], d_rows, gone)
            part, d_rows = _backward(layout, tokens, incoming, starts, maps, d_rows)
            for name, whole in zip(NAMES, found, strict=True):
                if whole is not None:
                    piece = getattr(part, name)
                    if gone is not None and name in ("q", "keep"):
                        piece.masked_fill_(gone, 0.0)
                    whole[:, at] = layout.from_lanes(piece)
        return *found, d_rows.view(d_final.shape), None, None, None


def _lanes(
    layout: Layout, x: Tensor, like: Tensor, gone: Tensor | None, fill: float = 0.0
) -> Tensor:
    x = layout.to_lanes(x, like=like, fill=fill)
    # filled, not multiplied: a padded position may hold NaN
    return x if gone is None else x.masked_fill_(gone, fill)


def _tokens(
    layout: Layout, at: slice, tensors: Any, mask: Tensor | None
) -> tuple[Tokens, Tensor | None]:
    """The tokens of a block, and which of its places (C, 1, L) are masked."""
    q, k, v, keep, erase, write, state = tensors
    gone = None
    if mask is not None:
        everywhere = ~mask[:, at, None, None].expand(-1, -1, layout.states, 1)
        gone = layout.to_lanes(everywhere, like=mask)

    def lanes(x: Tensor, fill: float = 0.0) -> Tensor:
        return _lanes(layout, x[:, at], state, gone, fill)

    tokens = Tokens(
        q=None if q is None else lanes(q),
        k=lanes(k),
        v=lanes(v),
        keep=lanes(keep, 1.0),
        erase=lanes(erase),
        write=lanes(write),
    )
    return tokens, gone


@one_thread()
def _forward(
    tensors: Any, mask: Tensor | None, parts: list[Part], *, kept: list[Tensor | None] | None
) -> tuple[Tensor | None, Tensor]:
    """Block by block; ``kept`` receives starts and maps of each."""
    q, state = tensors[0], tensors[-1]
    reads = None if q is None else torch.empty(q.shape, dtype=state.dtype, device=state.device)
    rows = state.reshape(-1, 1, state.shape[-1])
    for layout, at in parts:
        tokens, _ = _tokens(layout, at, tensors, mask)
        starts, maps = rows[None], None
        if layout.chunks > 1:
            moves = layout.state_rows(chunk_maps(tokens))
            maps, fresh = moves[:, :, :-1], moves[:, :, -1:]
            starts = chunk_starts(maps, fresh, rows)
        lanes = layout.state_lanes(starts)
        if kept is not None:
            kept += [lanes, maps]
        part, ends = recur(tokens, lanes)
        rows = layout.state_rows(ends[None])[-1]
        if reads is not None and part is not None:
            reads[:, at] = layout.from_lanes(part)
    return reads, rows.view(state.shape)


def _backward(
    layout: Layout,
    tokens: Tokens,
    d_reads: Tensor | None,
    starts: Tensor,
    maps: Tensor | None,
    d_rows: Tensor,
) -> tuple[Tokens, Tensor]:
    """Gradients of a block's tokens, and of the rows before it from those after it."""
    d_ends = d_rows[None]
    if maps is not None:
        fresh = layout.state_rows(fresh_gradient(tokens, d_reads)[None])
        d_ends = chunk_starts(maps.transpose(-1, -2), fresh, d_rows, backwards=True)
    size = WHOLE if maps is None else PIECE
    pieces = [slice(t, t + size) for t in range(0, layout.length, size)]
    states = tokens.k.new_empty(min(size, layout.length), *starts.shape)
    predicted, before = torch.empty_like(tokens.k[:size]), [starts]
    for at in pieces[:-1]:
        before.append(recur(replace(tokens[at], q=None), before[-1])[1])
    after = layout.state_lanes(d_ends)
    for at in reversed(pieces):
        piece = tokens[at]
        recur(replace(piece, q=None), before.pop(), states=states, predicted=predicted)
        d_piece = None if d_reads is None else d_reads[at]
        after = gradients(piece, states, predicted[: len(piece.k)], d_piece, after)
    found = replace(tokens, v=tokens.write, write=tokens.v)
    return found, layout.state_rows(after[None])[0]
