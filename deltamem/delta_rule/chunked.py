"""The same recurrence, many tokens at once, in plain torch (derivation in README.md).

Each row of a state is a recurrence of its own. Inside a chunk of C tokens its corrections
``u_t = write_t v_t - erase_t (S_{t-1} . k_t)`` solve one unit-lower-triangular system; across
chunks a row obeys an affine map of size R x R. Only the short walk over chunks is sequential.

Letters: G = B * N independent states, K chunks, C tokens in a chunk, R rank.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["CHUNK", "delta_rule_chunked"]

CHUNK = 16
"""Tokens solved together: longer ones cost memory traffic, shorter ones steps of the walk."""


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
    chunk: int = CHUNK,
) -> tuple[Tensor | None, Tensor]:
    """Chunk-parallel form of :func:`deltamem.delta_rule.naive.delta_rule_naive`; same contract."""
    batch, time, states, _ = k.shape
    if time == 0:
        return (None if q is None else torch.zeros_like(q)), state
    if mask is not None:
        # `where`, not a product: a padded position may hold NaN
        gone = ~mask[:, :, None, None]
        k, v, erase, write = (x.masked_fill(gone, 0.0) for x in (k, v, erase, write))
        keep = keep.masked_fill(gone, 1.0)
        q = None if q is None else q.masked_fill(gone, 0.0)
    chunk = min(chunk, time)
    k, v, erase, write = (_chunks(x, chunk, 0.0) for x in (k, v, erase, write))
    keep = _chunks(keep, chunk, 1.0)
    decay = _decay(keep.transpose(-1, -2))
    corrections, response = _corrections(k, v, erase, write, decay)
    starts, end = _walk(k, decay, corrections, response, state.flatten(0, 1))
    final = end.unflatten(0, (batch, states))
    if q is None:
        return None, final
    u = corrections - (response @ starts[..., None])[..., 0]
    reads = _reads(_chunks(q, chunk, 0.0), k, decay, u, starts)
    reads = reads.permute(0, 1, 3, 2).flatten(1, 2)[:, :time]
    return reads.unflatten(0, (batch, states)).transpose(1, 2), final


def _chunks(x: Tensor, chunk: int, fill: float) -> Tensor:
    """(B, T, N, R) -> (G, K, C, R), the last chunk filled up."""
    x = x.transpose(1, 2).flatten(0, 1)
    x = pad(x, (0, 0, 0, -x.shape[1] % chunk), value=fill)
    return x.unflatten(1, (-1, chunk))


def _decay(keep: Tensor) -> Tensor:
    """Products of keep between two tokens: (G, K, R, C) -> (G, K, R, C + 1, C + 1).

    Entry [t, j] is what is left, before token t is written, of what was there after token j - 1
    was: ``prod_{m = j}^{t - 1} keep_m``. Row C is the end of the chunk, column 0 its start.
    Above the diagonal the entries are 1 and mean nothing. Products instead of differences of
    logarithms, so that keep = 0 is exact.
    """
    size = keep.shape[-1] + 1
    steps = pad(keep, (1, 0), value=1.0)[..., :, None].expand(*keep.shape[:-1], size, size)
    after = torch.ones(size, size, dtype=torch.bool, device=keep.device).tril(-1)
    return torch.where(after, steps, 1.0).cumprod(dim=-2)


def _corrections(
    k: Tensor, v: Tensor, erase: Tensor, write: Tensor, decay: Tensor
) -> tuple[Tensor, Tensor]:
    """Solve for u = corrections - response @ S_0: (G, K, R, C) and (G, K, R, C, R)."""
    erase, target = erase.transpose(-1, -2), (write * v).transpose(-1, -2)
    overlap = (k @ k.transpose(-1, -2))[:, :, None].tril(-1)
    system = erase[..., None] * decay[..., :-1, 1:] * overlap
    from_start = (erase * decay[..., :-1, 0])[..., None] * k[:, :, None]
    right = torch.cat([target[..., None], from_start], dim=-1)
    solved = torch.linalg.solve_triangular(system, right, upper=False, unitriangular=True)
    return solved[..., 0], solved[..., 1:]


def _walk(
    k: Tensor, decay: Tensor, corrections: Tensor, response: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """States at the start of every chunk (G, K, R, R) and after the last one (G, R, R)."""
    kept_keys = decay[..., -1, 1:, None] * k[:, :, None]
    eye = torch.eye(k.shape[-1], dtype=k.dtype, device=k.device)
    carry = decay[..., -1, 0, None, None] * eye - response.transpose(-1, -2) @ kept_keys
    fresh = corrections[..., None, :] @ kept_keys
    row, starts = state[:, :, None, :], []
    for step, new in zip(carry.unbind(1), fresh.unbind(1), strict=True):
        starts.append(row)
        row = row @ step + new
    return torch.stack(starts, dim=1)[..., 0, :], row[..., 0, :]


def _reads(q: Tensor, k: Tensor, decay: Tensor, u: Tensor, starts: Tensor) -> Tensor:
    """What each query reads: from the chunk's start and from the tokens before it, (G, K, R, C)."""
    overlap = (q @ k.transpose(-1, -2))[:, :, None].tril(-1)
    inside = ((decay[..., :-1, 1:] * overlap) @ u[..., None])[..., 0]
    return inside + decay[..., :-1, 0] * (starts @ q.transpose(-1, -2))
