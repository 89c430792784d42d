"""The adapter: the weights that are trained, which a ``with`` puts on a backbone."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from deltamem.attachment.attach import Attachment, attach
from deltamem.layers.memory_layers import MemoryLayers
from deltamem.state import MemoryState

__all__ = ["DeltaMemory"]


class DeltaMemory(MemoryLayers):
    """One memory per attention layer, and the way onto a backbone and off again."""

    def attach(
        self, model: Any, *, state: MemoryState | None = None, write: bool = True
    ) -> AbstractContextManager[Attachment]:
        """``with memory.attach(model) as attached:``, see :func:`deltamem.attach`."""
        return attach(self, model, state=state, write=write)
