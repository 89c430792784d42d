"""One token through one layer's memory in a single call of C++ (compiled_step.cpp), for CPUs.

Decoding asks a layer for some forty operations of a few numbers each; in torch each costs more to
call than to do. Used for single tokens without gradients wherever it can be compiled, unless
``DELTA_MEM_SCAN_IMPL`` names another form than ``cpp``.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deltamem.delta_rule import VARIABLE
from deltamem.delta_rule.compiling import can_load, load_library
from deltamem.layer import NORM_EPS, LayerMemory
from deltamem.writers.writer import WriteResult

__all__ = ["CompiledStep"]

SOURCE = Path(__file__).with_suffix(".cpp")
WEIGHTS = (
    "memory_q_proj",
    "memory_k_proj",
    "memory_v_proj",
    "beta_proj",
    "beta_bias",
    "lambda_proj",
    "lambda_bias",
)


class _Layer(ctypes.Structure):
    """Sizes, switches and weights of one layer, as compiled_step.cpp reads them."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("hidden", "states", "rank", "gates", "heads")),
        *((name, ctypes.c_int64) for name in ("unit_length", "own_retention")),
        *((name, ctypes.c_int64) for name in ("erase_by_both", "keep_all")),
        *((name, ctypes.c_float) for name in ("scale", "eps")),
        *((name, ctypes.c_void_p) for name in WEIGHTS),
        ("steer", ctypes.c_void_p * 4),
        ("corrections", ctypes.c_void_p * 4),
        ("sizes", ctypes.c_int64 * 4),
    )


class CompiledStep:
    """:meth:`LayerMemory.forward` and :meth:`LayerMemory.steer` for T = 1, in one call.

    It is one attachment's: the corrections that a call gives are overwritten by the next.
    """

    def __init__(self, layer: LayerMemory) -> None:
        """``layer``: may change its weights, and where they lie, between two calls."""
        self._layer, self._config = layer, layer.config
        self._sizes = {
            h: layer.get_parameter(f"delta_{h}_proj").shape[0] for h in layer.config.heads
        }
        self._batch, self._pointers = 0, list[int]()
        self._struct = _Layer()
        self._corrections: dict[str, Tensor] = {}

    @functools.cached_property
    def available(self) -> bool:
        """Whether tokens of this layer can go this way: it is compiled, on a CPU, in float32."""
        on_cpu = self._layer.beta_bias.device.type == "cpu"
        single = self._config.torch_state_dtype == torch.float32
        return on_cpu and single and self._library is not None

    @property
    def writes(self) -> bool:
        """Whether single tokens write; those of a segment writer wait for their segment."""
        return self._config.writer.segment_unit is None

    def __call__(
        self, hidden: Tensor, state: Tensor, *, write: bool
    ) -> tuple[WriteResult, dict[str, Tensor]]:
        """Read, steer and write.

        Args:
            hidden: (B, 1, D) in any floating dtype; every token is real.
            state: (B, N, R, R), float32.
            write: whether the tokens write.

        Returns:
            What :meth:`LayerMemory.forward` gives, and each steered head's correction (B, 1, out),
            all in float32.
        """
        if hidden.dtype != torch.float32 or not hidden.is_contiguous():
            hidden = hidden.to(torch.float32).contiguous()
        batch, states, rank, _ = state.shape
        before, shape = state.contiguous(), (batch, 1, states, rank)
        reads = before.new_empty(shape)
        after, gate = (torch.empty_like(before), before.new_empty(shape)) if write else (None, None)
        self._prepare(batch)
        self._library.layer_step(
            self._struct_at,
            batch,
            hidden.data_ptr(),
            before.data_ptr(),
            reads.data_ptr(),
            0 if after is None else after.data_ptr(),
            0 if gate is None else gate.data_ptr(),
        )
        result = WriteResult(reads=reads, state=state if after is None else after, gate=gate)
        return result, self._corrections

    @functools.cached_property
    def _library(self) -> Any:
        return _library(os.environ.get(VARIABLE, ""))

    def _prepare(self, batch: int) -> None:
        """Room for a batch's corrections, and pointers to where the weights are now."""
        if batch != self._batch:
            sizes = self._sizes.items()
            self._corrections = {head: torch.empty(batch, 1, size) for head, size in sizes}
            self._batch, self._pointers = batch, []
        weights = self._layer._parameters.values()
        pointers = [weight.data_ptr() for weight in weights if weight is not None]
        if pointers != self._pointers:
            self._pointers, self._struct = pointers, self._filled()
            self._struct_at = ctypes.addressof(self._struct)

    def _filled(self) -> _Layer:
        config, weights = self._config, dict(self._layer.named_parameters())
        struct = _Layer(
            hidden=weights["memory_q_proj"].shape[1],
            states=config.writer.num_states,
            rank=config.rank,
            gates=config.gate_width,
            heads=len(self._sizes),
            unit_length=config.normalize_qk,
            own_retention=config.own_retention,
            erase_by_both=config.update == "lambda_outside",
            keep_all=config.update == "no_lambda",
            scale=config.scale,
            eps=NORM_EPS,
            **{name: weights[name].data_ptr() for name in WEIGHTS if name in weights},
        )
        for place, (head, size) in enumerate(self._sizes.items()):
            struct.sizes[place] = size
            struct.steer[place] = weights[f"delta_{head}_proj"].data_ptr()
            struct.corrections[place] = self._corrections[head].data_ptr()
        return struct


@functools.cache
def _library(named: str) -> Any:
    """The compiled library; None where it cannot be had or another form is named."""
    if named not in ("", "cpp") or not (named or can_load(SOURCE)):
        return None
    library = load_library(SOURCE)
    library.layer_step.argtypes = (ctypes.c_void_p, ctypes.c_int64, *[ctypes.c_void_p] * 5)
    library.layer_step.restype = None
    return library
