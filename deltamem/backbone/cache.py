"""A KV cache that carries the memory state, so that whatever moves one moves the other."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import Cache, DynamicCache

from deltamem.state import MemoryState
from deltamem_base.faults import InvalidInput

__all__ = ["MemoryCache"]


class MemoryCache(DynamicCache):
    """``DynamicCache`` with a :class:`MemoryState` beside the keys and values.

    Beam search reorders and repeats both; rewinding (prompt lookup, assisted decoding) is refused,
    because a recurrence cannot be run backwards.
    """

    memory: MemoryState | None = None
    reach: Sequence[int] | None = None
    """Tokens that each sequence may come to have; None: as many as it has.

    See :mod:`deltamem.backbone.rotation`: it decides how some models rotate all of them.
    """

    def __init__(self, *args: Any, memory: MemoryState | None = None, **kwargs: Any) -> None:
        """Arguments of ``DynamicCache``; ``memory`` is the state before the first token."""
        super().__init__(*args, **kwargs)
        self.memory = memory

    @classmethod
    def adopt(cls, cache: Cache) -> MemoryCache:
        """Turn the plain cache that ``generate`` made into one that carries a state, in place.

        Raises:
            InvalidInput: a kind of cache whose batch operations δ-mem does not know.
        """
        if isinstance(cache, cls):
            return cache
        if type(cache) is not DynamicCache:
            raise InvalidInput(
                f"δ-mem keeps its state with a DynamicCache, not a {type(cache).__name__}: "
                "leave cache_implementation unset"
            )
        cache.__class__ = cls
        assert isinstance(cache, cls)
        cache.memory = cache.reach = None
        return cache

    def _move(self, index: Tensor) -> None:
        if self.memory is not None:
            self.memory = self.memory.select(index)
        if self.reach is not None:
            self.reach = [self.reach[row] for row in index.tolist()]

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Follow the beams."""
        super().reorder_cache(beam_idx)
        self._move(beam_idx)

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat each sequence ``repeats`` times in a row."""
        super().batch_repeat_interleave(repeats)
        if self.memory is not None:
            self.memory = self.memory.repeat(repeats)
        if self.reach is not None:
            self.reach = [length for length in self.reach for _ in range(repeats)]

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep the sequences ``indices``."""
        super().batch_select_indices(indices)
        self._move(indices)

    def reset(self) -> None:
        """Forget keys, values and state."""
        super().reset()
        self.memory = self.reach = None

    def crop(self, tokens_to_remove: int) -> None:
        """Refused: see the class.

        Raises:
            InvalidInput: always.
        """
        raise InvalidInput(
            "a memory state cannot be rewound: prompt lookup and assisted decoding do not work "
            "with δ-mem; use greedy decoding, sampling or beams"
        )

    def selected(self, rows: Sequence[int]) -> MemoryCache:
        """A new cache with copies of the sequences ``rows``; this one stays as it is."""
        fork = self.forked()
        fork.batch_select_indices(torch.as_tensor(rows, dtype=torch.long))
        return fork

    def forked(self) -> MemoryCache:
        """A new cache that goes on from this one, which stays as it is.

        Layers put new keys into tensors of their own, so that no number is copied.
        """
        fork = copy.copy(self)
        fork.layers = [copy.copy(layer) for layer in self.layers]
        return fork
