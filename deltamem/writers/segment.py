"""SSW, sequence-state write: one update per segment, from its mean (paper, equations 14-15).

Within one forward all tokens read the state from before that forward; the segments then write in
the order of their ids. Tokens with id -1 write nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from deltamem.delta_rule import delta_rule, read_state
from deltamem.writers.writer import Projected, Writer, WriteResult
from deltamem_base.faults import InvalidInput, check_choice

__all__ = ["SegmentWriter", "segment_means"]

UNITS = ("message", "sentence")


@dataclass(frozen=True, kw_only=True)
class SegmentWriter(Writer):
    """The mean hidden vector of each message (or sentence) writes once."""

    name: ClassVar[str] = "segment"
    unit: str = "message"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("writer.unit", self.unit, UNITS)

    @property
    def granularity(self) -> str:
        """``message_mean`` or ``sentence_mean``."""
        return f"{self.unit}_mean"

    @property
    def segment_unit(self) -> str:
        """``message`` or ``sentence``: the kind of span that ``segments`` must number."""
        return self.unit

    def write(
        self,
        project: Callable[[Tensor], Projected],
        q: Tensor,
        hidden: Tensor,
        state: Tensor,
        *,
        valid: Tensor | None,
        segments: Tensor | None,
    ) -> WriteResult:
        """One update per segment. See :meth:`Writer.write`; never falls back to token writes."""
        if segments is None:
            raise InvalidInput(
                f"this adapter writes by {self.unit} and was given no segment ids: pass segments= "
                "(batch, time), -1 for tokens outside, or turn writes off"
            )
        if segments.shape != hidden.shape[:2] or segments.is_floating_point():
            raise InvalidInput(
                f"segments are {tuple(segments.shape)} {segments.dtype}, the tokens are "
                f"{tuple(hidden.shape[:2])}: one integer per token is needed"
            )
        reads = read_state(q, state.to(q.dtype), valid)
        ids = segments if valid is None else segments.masked_fill(~valid, -1)
        means, written = segment_means(hidden, ids)
        w = project(means)
        _, state = delta_rule(None, w.k, w.v, w.keep, w.erase, w.write, state, written)
        return WriteResult(reads=reads, state=state, gate=w.write, written=written)


def segment_means(hidden: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Mean hidden vector of each segment, in fp32.

    Args:
        hidden: (B, T, D).
        ids: (B, T) integers; -1 belongs to no segment. Rows may use different ids.

    Returns:
        Means (B, M, D), one slot for each id of the batch in ascending order, and (B, M) bool:
        whether the row has that segment.
    """
    names = ids[ids >= 0].unique()
    member = ids[:, None, :] == names[None, :, None]
    counts = member.sum(-1)
    inside = hidden.float().masked_fill((ids < 0)[..., None], 0.0)
    sums = member.to(inside.dtype) @ inside
    return sums / counts.clamp_min(1)[..., None].to(torch.float32), counts > 0
