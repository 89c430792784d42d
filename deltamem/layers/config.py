"""The shape of a δ-mem adapter: everything that decides which weights exist and what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

import torch
from annotated_types import Ge, Interval, MinLen

from deltamem.layers.depth import THIRDS, Layers
from deltamem.writers import TokenWriter, Writer
from deltamem.writers.stored import check_stored_whole
from deltamem_base.faults import check_choice
from deltamem_base.ranges import check_fields

__all__ = ["HEADS", "INITS", "MOST_RANK", "STATE_DTYPES", "UPDATES", "DeltaMemConfig"]

HEADS = ("q", "k", "v", "o")
UPDATES = ("standard", "lambda_outside", "no_lambda")
INITS = ("base_slice", "zero", "random")
STATE_DTYPES = ("float32", "float64", "bfloat16")
MOST_RANK = 1024
"""Largest rank, so that no file can ask for more memory than a machine has."""


@dataclass(frozen=True, kw_only=True)
class DeltaMemConfig:
    """Adapter configuration (paper, section on δ-mem and appendix; mechanism of equations 4-16).

    Raises:
        InvalidInput: a value that is not among the choices; the message names both.
    """

    rank: Annotated[int, Interval(ge=1, le=MOST_RANK)] = 8
    """R: the state of a layer is R x R."""
    alpha: Annotated[float, Ge(0)] = 16.0
    """Steering is scaled by alpha / rank."""
    writer: Writer = field(default_factory=TokenWriter)
    heads: Annotated[Sequence[str], MinLen(1)] = ("q", "o")
    """Steered projections: any of q, k, v, o."""
    layers: Layers = None
    """Indices of the layers that have a memory; ``first_third``, ``middle_third``, ``last_third``;
    None or ``all`` means all."""
    beta_bias_init: float = -1.5
    own_retention: bool = False
    """False: lambda = 1 - beta. True: lambda = sigmoid(W x + b) with weights of its own."""
    update: str = "standard"
    """``standard`` (10), or the ablations ``lambda_outside`` and ``no_lambda``."""
    rowwise_gates: bool = True
    """One gate per row of S; False: one per sub-state, broadcast."""
    normalize_qk: bool = True
    init: str = "base_slice"
    """Start of the steering weights: ``base_slice``, ``zero`` or ``random``."""
    init_gain: Annotated[float, Ge(0)] = 0.05
    """Length of each starting column of a steering weight."""
    state_dtype: str = "float32"

    def __post_init__(self) -> None:
        check_fields(self, "memory")
        check_stored_whole(self.writer)
        for head in self.heads:
            check_choice("heads", head, HEADS)
        object.__setattr__(self, "heads", tuple(h for h in HEADS if h in self.heads))
        if self.layers == "all":
            object.__setattr__(self, "layers", None)
        elif isinstance(self.layers, str):
            check_choice("layers", self.layers, THIRDS)
        elif self.layers is not None:
            object.__setattr__(self, "layers", tuple(sorted(set(self.layers))))
        check_choice("update", self.update, UPDATES)
        check_choice("init", self.init, INITS)
        check_choice("state_dtype", self.state_dtype, STATE_DTYPES)

    @property
    def width(self) -> int:
        """N * R, the number of values a token reads."""
        return self.writer.num_states * self.rank

    @property
    def gate_width(self) -> int:
        """Rows of the gate projection: N * R, or N with scalar gates."""
        return self.width if self.rowwise_gates else self.writer.num_states

    @property
    def scale(self) -> float:
        """Alpha / rank (equations 8 and 9)."""
        return self.alpha / self.rank

    @property
    def torch_state_dtype(self) -> torch.dtype:
        """Arithmetic of the state; float32 unless the authors' bfloat16 is asked for."""
        dtype: torch.dtype = getattr(torch, self.state_dtype)
        return dtype
