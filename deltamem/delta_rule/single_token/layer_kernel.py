"""One token through one layer's memory: the Triton kernel of fused.py, which names its arguments.

A grid of (B, N + tiles): for each sequence one program for each sub-state that writes, and one for
each tile of the steered outputs, which makes queries and reads for itself. None waits for another.

Letters: B batch, N sub-states, R rank, D hidden, W = N * R.
"""

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["step_kernel"]


@triton.jit
def _tanh(x: tl.tensor) -> tl.tensor:
    """Hyperbolic tangent, by its series near zero, where a sigmoid's difference loses digits."""
    square = x * x
    series = 2 / 15 + square * (-17 / 315 + square * (62 / 2835))
    near = x + x * square * (-1 / 3 + square * series)
    return tl.where(tl.abs(x) < 0.25, near, 2 * tl.sigmoid(2 * x) - 1)


@triton.jit
def _product(
    weight: tl.tensor,
    rows: tl.tensor,
    inside: tl.tensor,
    hidden: tl.tensor,
    size: tl.tensor,
    real: tl.tensor,
    columns: tl.constexpr,
) -> tl.tensor:
    """Some rows of ``weight`` (·, D) times ``hidden`` (D), which counts as zero if not ``real``.

    Products are summed over columns only at the end, so that no load waits for a sum.
    """
    column, end = tl.arange(0, columns), tl.where(real, size, 0)
    sums = tl.zeros([rows.shape[0], columns], dtype=tl.float32)
    for start in range(0, size, columns):
        at = start + column
        there = at < size
        x = tl.load(hidden + at, mask=at < end, other=0.0).to(tl.float32)
        place = rows[:, None] * size + at[None, :]
        w = tl.load(weight + place, mask=inside[:, None] & there[None, :], other=0.0)
        sums += w * x[None, :]
    return tl.sum(sums, axis=1)


@triton.jit
def _unit(x: tl.tensor, plan: tl.constexpr) -> tl.tensor:
    """Projections (N, R) through tanh, each sub-state's R numbers of length one."""
    x = _tanh(x)
    if plan.unit_length:
        x = x / tl.maximum(tl.sqrt(tl.sum(x * x, axis=1)), plan.eps)[:, None]
    return x


@triton.jit
def _gate(
    weight: tl.tensor,
    bias: tl.tensor,
    rows: tl.tensor,
    inside: tl.tensor,
    hidden: tl.tensor,
    size: tl.tensor,
    real: tl.tensor,
    plan: tl.constexpr,
) -> tl.tensor:
    x = _product(weight, rows, inside, hidden, size, real, plan.write_columns)
    return tl.sigmoid(x + tl.load(bias + rows, mask=inside, other=0.0))


@triton.jit
def _projected(
    layer: tl.tuple, hidden: tl.tensor, real: tl.tensor, n: tl.tensor, plan: tl.constexpr
) -> tl.tuple:
    """Key (1, R), value, beta and lambda (R) of sub-state ``n``."""
    r = tl.arange(0, plan.some_r)
    inside, rows, size = r < plan.rank, n * plan.rank + r, layer.size
    gates = rows if plan.rowwise else n + 0 * r
    key = _product(layer.key, rows, inside, hidden, size, real, plan.write_columns)
    value = _product(layer.value, rows, inside, hidden, size, real, plan.write_columns)
    beta = _gate(layer.beta, layer.beta_bias, gates, inside, hidden, size, real, plan)
    if layer.lam is None:
        lam = 1 - beta
    else:
        lam = _gate(layer.lam, layer.lam_bias, gates, inside, hidden, size, real, plan)
    return _unit(key[None, :], plan), value, beta, lam


@triton.jit
def _write(
    layer: tl.tuple,
    token: tl.tuple,
    made: tl.tuple,
    hidden: tl.tensor,
    real: tl.tensor,
    b: tl.tensor,
    n: tl.tensor,
    plan: tl.constexpr,
) -> None:
    """Sub-state ``n`` of sequence ``b`` after the token."""
    key, value, beta, lam = _projected(layer, hidden, real, n, plan)
    keep = 1 + 0 * lam if plan.keep_all else lam
    erase = lam * beta if plan.erase_by_both else beta
    r = tl.arange(0, plan.some_r)
    below = r < plan.rank
    row = (b * plan.states + n) * plan.rank + r
    at = row[:, None] * plan.rank + r[None, :]
    square = below[:, None] & below[None, :]
    s = tl.load(token.state + at, mask=square, other=0.0)
    change = beta * value - erase * tl.sum(s * key, axis=1)
    after = keep[:, None] * s + change[:, None] * key
    tl.store(made.state + at, tl.where(real, after, s), mask=square)


@triton.jit
def _read(
    layer: tl.tuple,
    token: tl.tuple,
    hidden: tl.tensor,
    real: tl.tensor,
    b: tl.tensor,
    place: tl.tensor,
    inside: tl.tensor,
    plan: tl.constexpr,
) -> tl.tensor:
    """Reads of the token, flat; a query of zero, one that is not ``real``, reads zero."""
    found = _product(layer.query, place, inside, hidden, layer.size, real, plan.read_columns)
    query = _unit(found.reshape(plan.some_n, plan.some_r), plan)
    j = tl.arange(0, plan.some_r)[None, None, :]
    rows = (b * plan.states * plan.rank + place).reshape(plan.some_n, plan.some_r)[:, :, None]
    square = inside.reshape(plan.some_n, plan.some_r)[:, :, None] & (j < plan.rank)
    s = tl.load(token.state + rows * plan.rank + j, mask=square, other=0.0)
    return tl.sum(s * query[:, None, :], axis=2).reshape(plan.some_n * plan.some_r)


@triton.jit
def _steer(
    layer: tl.tuple,
    token: tl.tuple,
    made: tl.tuple,
    hidden: tl.tensor,
    real: tl.tensor,
    b: tl.tensor,
    tile: tl.tensor,
    plan: tl.constexpr,
) -> None:
    """One tile of corrections of sequence ``b``."""
    width: tl.constexpr = plan.states * plan.rank
    flat = tl.arange(0, plan.some_n * plan.some_r)
    n, i = flat // plan.some_r, flat % plan.some_r
    inside = (n < plan.states) & (i < plan.rank)
    place = n * plan.rank + i
    reads = _read(layer, token, hidden, real, b, place, inside, plan)
    scaled = (reads * plan.scale)[None, :]
    for head in tl.static_range(len(plan.outputs)):
        if (tile >= plan.starts[head]) & (tile < plan.starts[head + 1]):
            out = (tile - plan.starts[head]) * plan.tile + tl.arange(0, plan.tile)
            there = out < plan.outputs[head]
            at = out[:, None] * width + place[None, :]
            both = there[:, None] & inside[None, :]
            weight = tl.load(layer.steering[head] + at, mask=both, other=0.0)
            to = made.corrections[head] + b * plan.outputs[head] + out
            tl.store(to, tl.sum(weight * scaled, axis=1).to(to.dtype.element_ty), mask=there)


@triton.jit
def step_kernel(layer: tl.tuple, token: tl.tuple, made: tl.tuple, plan: tl.constexpr) -> None:
    """Read, steer and write: ``Weights``, ``Token``, ``Made`` and ``Plan`` of fused.py.

    Grid (B, N + tiles); (B, tiles) where no state is made.
    """
    b, part = tl.program_id(0), tl.program_id(1)
    hidden = token.hidden + b.to(tl.int64) * layer.size
    real = b >= 0
    if token.valid is not None:
        real = tl.load(token.valid + b) != 0
    if made.state is None:
        _steer(layer, token, made, hidden, real, b, part, plan)
    elif part < plan.states:
        _write(layer, token, made, hidden, real, b, part, plan)
    else:
        _steer(layer, token, made, hidden, real, b, part - plan.states, plan)
