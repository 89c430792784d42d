"""What every writer does: decide which hidden vectors write, and to how many sub-states.

A writer never touches weights. It is given ``project``, which turns hidden vectors into keys,
values and gates, and the queries of all tokens; it returns the reads and the state that follows.

Letters: B batch, T time, M writes, N sub-states, R rank, D hidden.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge
from torch import Tensor

from deltamem_base.ranges import check_fields

__all__ = ["Projected", "WriteResult", "Writer", "mean_gate"]


@dataclass(frozen=True, kw_only=True)
class Projected:
    """Hidden vectors in memory space; each tensor is (B, M, N, R) in float32."""

    k: Tensor
    v: Tensor
    keep: Tensor
    erase: Tensor
    write: Tensor


@dataclass(frozen=True, kw_only=True)
class WriteResult:
    """What one layer's memory gives back for one forward of the backbone."""

    reads: Tensor
    """(B, T, N, R): what each token read, from before its own write."""
    state: Tensor
    """(B, N, R, R): the state after the last write."""
    gate: Tensor | None = None
    """(B, M, N, R): the write gates of M writes; None where writes are off."""
    written: Tensor | None = None
    """(B, M) bool: which of them took place; None when all did."""

    @property
    def mean_write(self) -> Tensor:
        """(B): the mean write gate over all that a sequence wrote (0 where it wrote nothing)."""
        if self.gate is None:
            return self.reads.new_zeros(len(self.reads))
        return mean_gate(self.gate, self.written)


@dataclass(frozen=True, kw_only=True)
class Writer(ABC):
    """A writing strategy of the paper (section on TSW, SSW, MSW). Instances are values."""

    num_states: Annotated[int, Ge(1)] = 1
    """N, the number of parallel sub-states, each with its own projections and gates."""

    def __post_init__(self) -> None:
        check_fields(self, "writer")

    @property
    @abstractmethod
    def granularity(self) -> str:
        """Name of the unit that writes in the published adapter format."""

    @property
    def segment_unit(self) -> str | None:
        """``message`` or ``sentence`` for writers that need segment ids, else None."""
        return None

    @abstractmethod
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
        """Read for every token and write.

        Args:
            project: hidden vectors (B, M, D) -> :class:`Projected`.
            q: queries of all tokens, (B, T, N, R).
            hidden: what enters the attention block, (B, T, D).
            state: (B, N, R, R).
            valid: (B, T) bool, False for padding; None when every token is real.
            segments: (B, T) integers, -1 for tokens that belong to no segment.

        Raises:
            InvalidInput: the writer needs segments and there are none that fit.
        """


def mean_gate(write: Tensor, written: Tensor | None) -> Tensor:
    """Mean of the write gate (B, M, N, R) of each sequence, over ``written`` (B, M): (B)."""
    if written is None:
        return write.mean(dim=(1, 2, 3))
    sums = write.masked_fill(~written[:, :, None, None], 0.0).sum(dim=(1, 2, 3))
    return sums / (written.sum(1).clamp_min(1) * write.shape[-1] * write.shape[-2])
