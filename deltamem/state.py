"""The online state of associative memory as a value: it goes in, it comes out, nothing hides it.

Per layer a tensor (B, N, R, R): batch, sub-states, rows = value space, columns = key space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deltamem_base.faults import InvalidInput

__all__ = ["MemoryState"]


@dataclass(frozen=True, eq=False)
class MemoryState:
    """The memory of a batch of sequences; every operation returns a new value."""

    layers: Mapping[int, Tensor]
    """Layer index -> (B, N, R, R)."""
    adapter: str
    """Identity of the adapter that wrote it; a state means nothing to any other."""

    @property
    def batch_size(self) -> int:
        """B."""
        return next(iter(self.layers.values())).shape[0]

    @property
    def nbytes(self) -> int:
        """Size of one sequence's state in bytes."""
        return sum(s[:1].numel() * s.element_size() for s in self.layers.values())

    @property
    def is_zero(self) -> bool:
        """Whether nothing can be read from it, as before the first write."""
        return not any(bool(layer.any()) for layer in self.layers.values())

    def map(self, change: Callable[[Tensor], Tensor]) -> MemoryState:
        """Apply ``change`` to each layer's tensor."""
        return replace(self, layers={i: change(s) for i, s in self.layers.items()})

    def clone(self) -> MemoryState:
        """A copy that shares nothing."""
        return self.map(Tensor.clone)

    def detach(self) -> MemoryState:
        """The same numbers without their gradient history."""
        return self.map(Tensor.detach)

    def to(self, device: torch.device | str) -> MemoryState:
        """All layers on one device."""
        return self.map(lambda s: s.to(device))

    def select(self, rows: Sequence[int] | Tensor) -> MemoryState:
        """The sequences ``rows``, in that order; repeats are allowed."""
        index = torch.as_tensor(rows, dtype=torch.long)
        return self.map(lambda s: s.index_select(0, index.to(s.device)))

    def repeat(self, times: int) -> MemoryState:
        """Each sequence ``times`` times in a row, as beams are laid out."""
        return self.map(lambda s: s.repeat_interleave(times, dim=0))

    def beside(self, *others: MemoryState) -> MemoryState:
        """The sequences of this state and after them those of others."""
        if not others:
            return self
        return replace(
            self,
            layers={
                i: torch.cat([s, *(other.layers[i] for other in others)])
                for i, s in self.layers.items()
            },
        )

    def put(self, rows: Sequence[int], other: MemoryState) -> MemoryState:
        """This state with the sequences ``rows`` replaced by those of ``other``."""
        index = torch.as_tensor(rows, dtype=torch.long)
        return replace(
            self,
            layers={
                i: s.index_copy(0, index.to(s.device), other.layers[i])
                for i, s in self.layers.items()
            },
        )

    def shuffled(self, seed: int) -> MemoryState:
        """The control ``shuffled``: the entries of each matrix permuted, the same for all rows."""
        generator = torch.Generator().manual_seed(seed)

        def permute(s: Tensor) -> Tensor:
            order = torch.randperm(s[0].numel(), generator=generator).to(s.device)
            return s.flatten(1)[:, order].view_as(s)

        return self.map(permute)

    def check(self, like: MemoryState) -> None:
        """Refuse to stand in for ``like`` unless adapter, layers, shapes and dtypes agree.

        Raises:
            InvalidInput: with the first thing that differs; a state is never zeroed in silence.
        """
        if self.adapter != like.adapter:
            raise InvalidInput(
                f"the memory state was written by adapter {self.adapter}, but adapter "
                f"{like.adapter} is attached"
            )
        if set(self.layers) != set(like.layers):
            raise InvalidInput(
                f"the memory state has layers {sorted(self.layers)}, "
                f"the adapter has {sorted(like.layers)}"
            )
        for i, mine in self.layers.items():
            other = like.layers[i]
            if mine.shape[0] != other.shape[0]:
                raise InvalidInput(
                    f"the memory state holds {mine.shape[0]} sequences, the batch has "
                    f"{other.shape[0]}: use state.select(rows) or state.repeat(times)"
                )
            if mine.shape != other.shape or mine.dtype != other.dtype:
                raise InvalidInput(
                    f"layer {i} of the memory state is {tuple(mine.shape)} {mine.dtype}, "
                    f"the adapter needs {tuple(other.shape)} {other.dtype}"
                )
