"""The base of all writers, which decide what hidden vectors write, and to how many sub-states.

A writer never touches weights. It is given ``project``, which turns hidden vectors into keys,
values and gates, and the queries of all tokens; it returns the reads and the state that follows.

Letters: B batch, T time, M writes, N sub-states, R rank, D hidden.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Interval
from torch import Tensor

from deltamem_base.faults import InvalidInput
from deltamem_base.ranges import check_fields

__all__ = ["KNOWN", "MOST_STATES", "Projected", "WriteResult", "Writer", "mean_gate"]

KNOWN: dict[str, type[Writer]] = {}
"""Writers that were defined so far, by name."""
MOST_STATES = 1024
"""Sub-states at most, so that no file can ask for more memory than a machine has."""


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
    """Reads and new state of one layer's memory, for one forward of the backbone."""

    reads: Tensor
    """(B, T, N, R): the read of each token, from before its own write."""
    state: Tensor
    """(B, N, R, R): the state after the last write."""
    gate: Tensor | None = None
    """(B, M, N, R): the write gates of M writes; None where writes are off."""
    written: Tensor | None = None
    """(B, M) bool: whether each of them took place; None when all did."""

    @property
    def mean_write(self) -> Tensor:
        """(B): the mean write gate over all that a sequence wrote (0 where it wrote nothing)."""
        if self.gate is None:
            return self.reads.new_zeros(len(self.reads))
        return mean_gate(self.gate, self.written)


@dataclass(frozen=True, kw_only=True)
class Writer(ABC):
    """A writing strategy (paper, section on TSW, SSW and MSW). Instances are values.

    A subclass is a frozen dataclass with a ``name`` of its own; its fields hold numbers, text,
    booleans, None, or tuples of them, for they are stored with the adapter.
    """

    name: ClassVar[str]
    """Name of the strategy in adapter folders, by which its class is found again."""
    num_states: Annotated[int, Interval(ge=1, le=MOST_STATES)] = 1
    """N, the number of parallel sub-states, each with its own projections and gates."""

    def __init_subclass__(cls, **others: Any) -> None:
        """Register the class under its name.

        Raises:
            InvalidInput: it has no name of its own, or another class has the same.
        """
        super().__init_subclass__(**others)
        if "name" not in cls.__dict__:
            raise InvalidInput(
                f"the writer class {cls.__qualname__} has no `name` of its own, by which an "
                'adapter folder can name it: add name: ClassVar[str] = "…"'
            )
        other = KNOWN.get(cls.name, cls)
        if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
            raise InvalidInput(
                f"two writer classes have the name '{cls.name}': {other.__module__}."
                f"{other.__qualname__} and {cls.__module__}.{cls.__qualname__}; rename one"
            )
        KNOWN[cls.name] = cls

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
