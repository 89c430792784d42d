"""What a step is: one token of each sequence through one layer's memory, without gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from torch import Tensor

from deltamem.layers.memory_layer import LayerMemory

__all__ = ["SingleStep"]


class SingleStep(ABC):
    """:meth:`LayerMemory.forward` and :meth:`LayerMemory.steer` for T = 1, in one call."""

    def __init__(self, layer: LayerMemory) -> None:
        """``layer``: may change its weights, and where they lie, between two calls."""
        self._layer, self._config = layer, layer.config
        self._sizes = {
            head: layer.get_parameter(f"delta_{head}_proj").shape[0] for head in layer.config.heads
        }

    @property
    def writes(self) -> bool:
        """Whether single tokens write; those of a segment writer wait for their segment."""
        return self._config.writer.segment_unit is None

    @abstractmethod
    def __call__(
        self, hidden: Tensor, state: Tensor, *, valid: Tensor | None, write: bool
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Read, steer and write.

        Args:
            hidden: (B, 1, D) in any floating dtype; a row that is not real may hold anything.
            state: (B, N, R, R), float32; it stays as it is.
            valid: (B, 1) bool, False for padding, which reads zero and writes nothing; None where
                every token is real.
            write: whether the tokens write.

        Returns:
            The state after the token, ``state`` itself with writes off, and each steered head's
            correction (B, 1, out), in float32 or the dtype of ``hidden``.
        """
