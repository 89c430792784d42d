"""Triton kernels of the fused form: parallel over states and chunks, in registers inside a chunk.

Tokens come packed as (6, B, T, N, R): q, k, v, keep, erase, write, ``span`` numbers each. States,
their gradients and maps are in the arithmetic's dtype. ``width`` is R rounded up to a power of two,
which Triton asks for; what is beyond R stays zero.

Letters: B batch, T time, N sub-states, R rank, G = B * N states, K chunks of C tokens.
"""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = [
    "carry_kernel",
    "gradient_kernel",
    "gradient_of_chunk_kernel",
    "maps_kernel",
    "scan_kernel",
]


@triton.jit
def _chunk(
    time: tl.tensor, states: tl.tensor, rank: tl.tensor, length: tl.tensor, width: tl.constexpr
) -> tl.tuple:
    """The chunk of this program, in a grid (G, K).

    Numbers below R (``width`` of them, and which are), the row of its state among those of all
    chunks, its sequence's first token, its own first time and the one after its last.
    """
    g, chunk = tl.program_id(0).to(tl.int64), tl.program_id(1)
    r = tl.arange(0, width)
    place = (g * tl.num_programs(1) + chunk) * rank
    start = (g // states) * time * states + g % states
    first = chunk * length
    return r, r < rank, place, start, first, tl.minimum(first + length, time)


@triton.jit
def _matrix(place: tl.tensor, r: tl.tensor, rank: tl.tensor) -> tl.tuple:
    """Offsets of the R x R numbers whose first row is ``place``, and which are inside."""
    inside = r < rank
    return (place + r[:, None]) * rank + r[None, :], inside[:, None] & inside[None, :]


@triton.jit
def _load(tokens: tl.tensor, at: tl.tensor, inside: tl.tensor, like: tl.tensor) -> tl.tensor:
    return tl.load(tokens + at, mask=inside, other=0.0).to(like.dtype.element_ty)


@triton.jit
def _token(
    tokens: tl.tensor, span: tl.tensor, at: tl.tensor, inside: tl.tensor, like: tl.tensor
) -> tl.tuple:
    """q, k, v, keep, erase, write of one token; the compiler drops what nobody uses."""
    return (
        _load(tokens, at, inside, like),
        _load(tokens, span + at, inside, like),
        _load(tokens, 2 * span + at, inside, like),
        _load(tokens, 3 * span + at, inside, like),
        _load(tokens, 4 * span + at, inside, like),
        _load(tokens, 5 * span + at, inside, like),
    )


@triton.jit
def maps_kernel(
    tokens: tl.tensor,
    maps: tl.tensor,
    fresh: tl.tensor,
    span: tl.tensor,
    time: tl.tensor,
    states: tl.tensor,
    rank: tl.tensor,
    length: tl.tensor,
    width: tl.constexpr,
) -> None:
    """Map of a chunk for any start, and its outcome from none: the README's M and f. Grid (G, K).

    ``maps`` (G, K, R, R, R) go by row, basis, column, ``fresh`` (G, K, R, R) by row, column.
    """
    r, inside, place, start, first, last = _chunk(time, states, rank, length, width)
    basis, row, column = r[:, None, None], r[None, :, None], r[None, None, :]
    one = tl.where(basis == column, 1.0, 0.0) + 0.0 * row
    moved = one.to(maps.dtype.element_ty)
    made = tl.zeros([width, width], dtype=maps.dtype.element_ty)
    for t in range(first, last):
        at = (start + t * states) * rank + r
        _q, k, v, keep, erase, write = _token(tokens, span, at, inside, maps)
        seen = tl.sum(moved * k[None, None, :], axis=2) * erase[None, :]
        moved = keep[None, :, None] * moved - seen[:, :, None] * k[None, None, :]
        u = write * v - erase * tl.sum(made * k[None, :], axis=1)
        made = keep[:, None] * made + u[:, None] * k[None, :]
    at = ((place + row) * rank + basis) * rank + column
    tl.store(maps + at, moved, mask=(basis < rank) & (row < rank) & (column < rank))
    entries, square = _matrix(place, r, rank)
    tl.store(fresh + entries, made, mask=square)


@triton.jit
def carry_kernel(
    maps: tl.tensor,
    fresh: tl.tensor,
    state: tl.tensor,
    starts: tl.tensor,
    end: tl.tensor,
    chunks: tl.tensor,
    rank: tl.tensor,
    width: tl.constexpr,
    backwards: tl.constexpr,
) -> None:
    """One row through all chunks: starts (G, K, R, R) and the end (G, R, R).

    ``backwards`` walks from the last chunk by the transposed maps. Grid (G, R).
    """
    g, row = tl.program_id(0).to(tl.int64), tl.program_id(1)
    r = tl.arange(0, width)
    inside = r < rank
    s = tl.load(state + (g * rank + row) * rank + r, mask=inside, other=0.0)
    for n in range(chunks):
        chunk = chunks - 1 - n if backwards else n
        place = (g * chunks + chunk) * rank + row
        tl.store(starts + place * rank + r, s, mask=inside)
        entries, square = _matrix(place * rank, r, rank)
        move = tl.load(maps + entries, mask=square, other=0.0)
        new = tl.load(fresh + place * rank + r, mask=inside, other=0.0)
        if backwards:
            s = tl.sum(move * s[None, :], axis=1) + new
        else:
            s = tl.sum(move * s[:, None], axis=0) + new
    tl.store(end + (g * rank + row) * rank + r, s, mask=inside)


@triton.jit
def scan_kernel(
    tokens: tl.tensor,
    starts: tl.tensor,
    reads: tl.tensor,
    states_before: tl.tensor,
    span: tl.tensor,
    time: tl.tensor,
    states: tl.tensor,
    rank: tl.tensor,
    length: tl.tensor,
    width: tl.constexpr,
    keep_states: tl.constexpr,
) -> None:
    """Every token from the start of its chunk: reads (B, T, N, R), or states (B, T, N, R, R).

    Grid (G, K).
    """
    r, inside, place, start, first, last = _chunk(time, states, rank, length, width)
    entries, square = _matrix(place, r, rank)
    s = tl.load(starts + entries, mask=square, other=0.0)
    for t in range(first, last):
        at = (start + t * states) * rank + r
        if keep_states:
            tl.store(states_before + at[:, None] * rank + r[None, :], s, mask=square)
        else:
            q, _k, _v, _keep, _erase, _write = _token(tokens, span, at, inside, starts)
            tl.store(reads + at, tl.sum(s * q[None, :], axis=1), mask=inside)
        _q, k, v, keep, erase, write = _token(tokens, span, at, inside, starts)
        u = write * v - erase * tl.sum(s * k[None, :], axis=1)
        s = keep[:, None] * s + u[:, None] * k[None, :]


@triton.jit
def gradient_of_chunk_kernel(
    tokens: tl.tensor,
    d_reads: tl.tensor,
    fresh: tl.tensor,
    span: tl.tensor,
    time: tl.tensor,
    states: tl.tensor,
    rank: tl.tensor,
    length: tl.tensor,
    width: tl.constexpr,
) -> None:
    """Gradient of a chunk's start from its own reads alone, (G, K, R, R). Grid (G, K)."""
    r, inside, place, start, first, last = _chunk(time, states, rank, length, width)
    after = tl.zeros([width, width], dtype=fresh.dtype.element_ty)
    for n in range(last - first):
        at = (start + (last - 1 - n) * states) * rank + r
        q, k, _v, keep, erase, _write = _token(tokens, span, at, inside, fresh)
        incoming = _load(d_reads, at, inside, fresh)
        erased = erase * tl.sum(after * k[None, :], axis=1)
        after = keep[:, None] * after - erased[:, None] * k[None, :]
        after += incoming[:, None] * q[None, :]
    entries, square = _matrix(place, r, rank)
    tl.store(fresh + entries, after, mask=square)


@triton.jit
def gradient_kernel(
    tokens: tl.tensor,
    states_before: tl.tensor,
    d_reads: tl.tensor,
    ends: tl.tensor,
    d_tokens: tl.tensor,
    span: tl.tensor,
    time: tl.tensor,
    states: tl.tensor,
    rank: tl.tensor,
    length: tl.tensor,
    width: tl.constexpr,
) -> None:
    """Gradients of all tokens, packed as they are, from those of the chunk's end. Grid (G, K)."""
    r, inside, place, start, first, last = _chunk(time, states, rank, length, width)
    entries, square = _matrix(place, r, rank)
    after = tl.load(ends + entries, mask=square, other=0.0)
    for n in range(last - first):
        at = (start + (last - 1 - n) * states) * rank + r
        q, k, v, keep, erase, write = _token(tokens, span, at, inside, ends)
        incoming = _load(d_reads, at, inside, ends)
        s = _load(states_before, at[:, None] * rank + r[None, :], square, ends)
        predicted = tl.sum(s * k[None, :], axis=1)
        u = write * v - erase * predicted
        d_u = tl.sum(after * k[None, :], axis=1)
        d_key = tl.sum(after * u[:, None] - s * (erase * d_u)[:, None], axis=0)
        tl.store(d_tokens + at, tl.sum(s * incoming[:, None], axis=0), mask=inside)
        tl.store(d_tokens + span + at, d_key, mask=inside)
        tl.store(d_tokens + 2 * span + at, d_u * write, mask=inside)
        tl.store(d_tokens + 3 * span + at, tl.sum(after * s, axis=1), mask=inside)
        tl.store(d_tokens + 4 * span + at, -d_u * predicted, mask=inside)
        tl.store(d_tokens + 5 * span + at, d_u * v, mask=inside)
        after = keep[:, None] * after - (erase * d_u)[:, None] * k[None, :]
        after += incoming[:, None] * q[None, :]
