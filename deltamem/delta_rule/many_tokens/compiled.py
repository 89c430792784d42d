"""The recurrence in C++, one token after the other in registers (compiled.cpp), for CPUs.

Compiled on first use; ``deltamem.delta_rule.choice`` says when it is used.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from deltamem.delta_rule.compiling import can_load, load_library
from deltamem_base.faults import InvalidInput

__all__ = ["delta_rule_compiled", "has_compiled"]

SOURCE = Path(__file__).with_name("compiled.cpp")


def has_compiled() -> bool:
    """Whether this form can be had here; compiles it where it never was."""
    return can_load(SOURCE)


def delta_rule_compiled(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    keep: Tensor,
    erase: Tensor,
    write: Tensor,
    state: Tensor,
    mask: Tensor | None = None,
) -> tuple[Tensor | None, Tensor]:
    """Compiled form of :func:`deltamem.delta_rule.naive.delta_rule_naive`; same contract.

    Raises:
        Unavailable: there is no compiler here, or it fails.
        InvalidInput: tensors that are not on a CPU.
    """
    if state.device.type != "cpu":
        raise InvalidInput(
            f"the compiled form of the delta rule is for CPUs and was given {state.device.type} "
            "tensors: set DELTA_MEM_SCAN_IMPL to torch or triton, or leave it out"
        )
    tensors = (q, k, v, keep, erase, write, state)
    if torch.is_grad_enabled() and any(x is not None and x.requires_grad for x in tensors):
        return _Compiled.apply(*tensors, mask)
    reads, final, _ = _forward(tensors, mask, checkpoints=False)
    return reads, final


class _Compiled(torch.autograd.Function):
    """Reads and final state; a state now and then is kept for the way back."""

    @staticmethod
    def forward(ctx: Any, *inputs: Any) -> tuple[Tensor | None, Tensor]:
        *tensors, mask = inputs
        reads, final, checkpoints = _forward(tensors, mask, checkpoints=True)
        ctx.save_for_backward(*tensors, mask, checkpoints)
        return reads, final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, ...]:
        *tensors, state, mask, checkpoints = ctx.saved_tensors
        d_reads, d_final = grads
        found = [None if x is None else _like(x, state) for x in (*tensors, state)]
        incoming = [None if tensors[0] is None else d_reads, d_final]
        before = [*tensors, mask, checkpoints, *incoming]
        _call("backward", [_plain(x, state) for x in before], found, tensors[1], state)
        return *found, None


def _forward(
    tensors: Any, mask: Tensor | None, *, checkpoints: bool
) -> tuple[Tensor | None, Tensor, Tensor | None]:
    *tokens, state = tensors
    q, (batch, time, states, rank) = tokens[0], tokens[1].shape
    saved = None
    if checkpoints:
        pieces = -(-time // int(load_library(SOURCE).piece()))
        saved = state.new_empty(batch * states, pieces, rank, rank)
    outputs = [None if q is None else _like(q, state), _like(state, state), saved]
    inputs = [_plain(x, state) for x in (*tokens, mask, state)]
    _call("forward", inputs, outputs, tokens[1], state)
    reads, final, saved = outputs
    assert final is not None
    return reads, final, saved


def _like(x: Tensor, state: Tensor) -> Tensor:
    return torch.empty(x.shape, dtype=state.dtype)


def _plain(x: Tensor | None, state: Tensor) -> Tensor | None:
    """Contiguous, in the arithmetic's dtype."""
    if x is None or x.dtype == torch.bool:
        return None if x is None else x.contiguous()
    return x.to(state.dtype).contiguous()


def _call(
    what: str, before: list[Tensor | None], after: list[Tensor | None], k: Tensor, state: Tensor
) -> None:
    """Run ``what`` of the library; ``before`` and ``after`` stay alive meanwhile."""
    sizes = (ctypes.c_int64 * 5)(*k.shape, torch.get_num_threads())
    pointers = [0 if x is None else x.data_ptr() for x in (*before, *after)]
    function = getattr(load_library(SOURCE), f"{what}_{str(state.dtype).removeprefix('torch.')}")
    function(sizes, (ctypes.c_void_p * len(pointers))(*pointers))
