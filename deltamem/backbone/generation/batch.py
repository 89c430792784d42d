"""Answers that are decoded side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from deltamem.backbone.cache import MemoryCache
from deltamem.backbone.generation.columns import can_move, put_together, right_aligned

__all__ = ["Batch", "Job", "regrouped"]


@dataclass(eq=False, kw_only=True)
class Job:
    """One prompt on its way to an answer."""

    number: int
    """Place among the prompts that were given."""
    prompt: Sequence[int]
    in_view: int
    """Tokens in view when the first token is chosen, those of a kept history included."""
    limit: int
    """New tokens, at most."""
    generator: torch.Generator
    tokens: list[int] = field(default_factory=list)
    """New ones so far, the one that stopped the answer included."""
    ended: bool = False
    seconds: float = 0.0
    """Shares of the wall time of all passes that it was in."""


@dataclass(eq=False, kw_only=True)
class Batch:
    """Rows of one cache."""

    jobs: Sequence[Job]
    """The answer behind each row."""
    mask: Tensor
    """(B, L) bool: the real ones among the columns of the cache."""
    cache: MemoryCache

    @property
    def running(self) -> list[int]:
        """Rows whose answer has not ended."""
        return [row for row, job in enumerate(self.jobs) if not job.ended]

    @property
    def ended(self) -> list[Job]:
        """Answers that have ended."""
        return [job for job in self.jobs if job.ended]

    @property
    def can_move(self) -> bool:
        """Whether rows may leave and join."""
        return can_move(self.cache)


def regrouped(batches: Sequence[Batch]) -> Batch | None:
    """The running rows of some batches as one, without columns that are padding in all of them.

    None where none is running.
    """
    chosen = [(batch, batch.running) for batch in batches if batch.running]
    if not chosen:
        return None
    masks = [batch.mask[row, :, None] for batch, rows in chosen for row in rows]
    columns = max(len(mask) - int(mask[:, 0].int().argmax()) for mask in masks)
    return Batch(
        jobs=[batch.jobs[row] for batch, rows in chosen for row in rows],
        mask=right_aligned(masks, columns)[..., 0],
        cache=put_together([(batch.cache, rows) for batch, rows in chosen], columns=columns),
    )
