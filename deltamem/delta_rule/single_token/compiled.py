"""One token through one layer's memory in a single call of C++ (compiled.cpp), for CPUs."""

from __future__ import annotations

import ctypes
import functools
from operator import is_
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deltamem.delta_rule.compiling import can_load, load_library
from deltamem.delta_rule.single_token.step import SingleStep, SteppedLayer
from deltamem_base.faults import InvalidInput

__all__ = ["CompiledStep", "can_compile"]

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
    """Sizes, switches and weights of one layer, as compiled.cpp reads them."""

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


class CompiledStep(SingleStep):
    """The step in C++, all in float32.

    It is one attachment's: the corrections that a call gives are overwritten by the next. What is
    not arithmetic is kept short, for a token finds nothing of it in the processor's caches.
    """

    def __init__(self, layer: SteppedLayer) -> None:
        """Raises Unavailable where there is no compiler."""
        super().__init__(layer)
        self._step = _library().layer_step
        self._batch, self._place = 0, 0
        self._weights: tuple[Tensor | None, ...] = ()
        self._kept: tuple[Tensor, ...] = ()
        self._struct = _Layer()
        self._corrections: dict[str, Tensor] = {}

    def __call__(
        self, hidden: Tensor, state: Tensor, *, valid: Tensor | None, write: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See :meth:`SingleStep.__call__`."""
        if hidden.dtype is not torch.float32 or not hidden.is_contiguous():
            hidden = hidden.to(torch.float32).contiguous()
        batch, before = len(hidden), state.contiguous()
        after = torch.empty_like(before) if write else None
        real = None if valid is None else valid.contiguous()
        weights = self._layer._parameters  # a module's own look-up is slow
        if (
            batch != self._batch
            or not all(map(is_, weights.values(), self._weights))
            # what moves as `.to` does keeps its parameters; a module moves whole
            or weights["beta_bias"].data_ptr() != self._place  # type: ignore[union-attr]
        ):
            self._prepare(batch)
        self._step(
            self._struct_at,
            batch,
            hidden.data_ptr(),
            None if real is None else real.data_ptr(),
            before.data_ptr(),
            None if after is None else after.data_ptr(),
        )
        return state if after is None else after, self._corrections

    def __reduce__(self) -> tuple[type[CompiledStep], tuple[SteppedLayer]]:
        """A copy of an attached model has steps with pointers of their own."""
        return CompiledStep, (self._layer,)

    def _prepare(self, batch: int) -> None:
        """Room for a batch's corrections, and pointers to where the weights are now.

        Raises:
            InvalidInput: they are no longer float32 on the CPU.
        """
        bias = self._layer.beta_bias
        if bias.dtype != torch.float32 or bias.device.type != "cpu":
            raise InvalidInput(
                f"a memory's weights became {bias.dtype} on {bias.device} between two tokens; move "
                "them before the memory is attached, and keep them in float32"
            )
        sizes = self._sizes.items()
        self._corrections = {head: torch.empty(batch, 1, size) for head, size in sizes}
        self._batch, self._place = batch, bias.data_ptr()
        self._weights = tuple(self._layer._parameters.values())
        # their storage stays, should one weight alone be given other data
        self._kept = tuple(weight.detach() for weight in self._layer.parameters())
        self._struct = self._filled()
        self._struct_at = ctypes.addressof(self._struct)

    def _filled(self) -> _Layer:
        shape, weights = self._shape, dict(self._layer.named_parameters())
        struct = _Layer(
            hidden=weights["memory_q_proj"].shape[1],
            states=shape.states,
            rank=shape.rank,
            gates=shape.gates,
            heads=len(self._sizes),
            unit_length=shape.unit_length,
            own_retention=shape.own_retention,
            erase_by_both=shape.erase_by_both,
            keep_all=shape.keep_all,
            scale=shape.scale,
            eps=shape.eps,
            **{name: weights[name].data_ptr() for name in WEIGHTS if name in weights},
        )
        for place, (head, size) in enumerate(self._sizes.items()):
            struct.sizes[place] = size
            struct.steer[place] = weights[f"delta_{head}_proj"].data_ptr()
            struct.corrections[place] = self._corrections[head].data_ptr()
        return struct


def can_compile(named: str) -> bool:
    """Whether there is a library, or ``cpp`` is named and it shall be said why there is none."""
    return named == "cpp" or (not named and can_load(SOURCE))


@functools.cache
def _library() -> Any:
    library = load_library(SOURCE)
    library.layer_step.argtypes = (ctypes.c_void_p, ctypes.c_int64, *[ctypes.c_void_p] * 4)
    library.layer_step.restype = None
    return library
