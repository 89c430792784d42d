"""The interface of a step: one token of each sequence through a layer's memory, no gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["LayerShape", "SingleStep", "SteppedLayer"]


@dataclass(frozen=True, kw_only=True)
class LayerShape:
    """Sizes and switches of one layer's memory, all that a step needs beside the weights."""

    states: int
    """N, sub-states."""
    rank: int
    """R."""
    gates: int
    """Rows of the gate projection: N * R, or N with one gate per sub-state."""
    scale: float
    """alpha / R (equations 8 and 9)."""
    eps: float
    """Smallest length that a vector is divided by."""
    heads: tuple[str, ...]
    """Steered projections, a part of q, k, v, o."""
    token_writes: bool
    """Whether single tokens write; those of a segment writer wait for their segment."""
    unit_length: bool
    """Whether queries and keys are brought to length one."""
    own_retention: bool
    """Whether lambda has weights of its own."""
    erase_by_both: bool
    """Whether lambda * beta erases (the ablation ``lambda_outside``)."""
    keep_all: bool
    """Whether nothing is forgotten but by erasing (the ablation ``no_lambda``)."""
    state_dtype: torch.dtype

    @property
    def rowwise(self) -> bool:
        """Whether each row of a state has a gate of its own."""
        return self.gates == self.states * self.rank


class SteppedLayer(nn.Module):
    """A layer's memory as the steps see it: its shape, and parameters under the published names."""

    beta_bias: nn.Parameter

    @property
    def shape(self) -> LayerShape:
        """Sizes and switches, which do not change while the layer lives."""
        raise NotImplementedError


class SingleStep(ABC):
    """A layer's forward and its steering for T = 1, in one call."""

    def __init__(self, layer: SteppedLayer) -> None:
        """``layer``: may change its weights, and where they lie, between two calls."""
        self._layer, self._shape = layer, layer.shape
        self._sizes = {
            head: layer.get_parameter(f"delta_{head}_proj").shape[0] for head in self._shape.heads
        }

    @property
    def writes(self) -> bool:
        """Whether single tokens write; those of a segment writer wait for their segment."""
        return self._shape.token_writes

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
