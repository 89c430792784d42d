"""The choice of a form: a function of what is named, the device, the sizes and the dtype."""

from __future__ import annotations

import torch

__all__ = ["WIDEST", "chosen_form"]

WIDEST = 32
"""The largest R whose maps (R^3 numbers a chunk) fit the registers of one fused program."""


def chosen_form(
    device: str,
    *,
    triton: bool,
    compiled: bool,
    gradients: bool,
    time: int,
    rank: int,
    dtype: torch.dtype = torch.float32,
    named: str = "",
) -> str:
    """Name of the form, by the first of these that holds.

    A state below single precision goes token by token, as in the authors' release; one token has a
    form of its own; then comes what is ``named``; ``triton`` serves CUDA from two tokens on: a
    call is four kernels there, and 26 or more operations, each a kernel, in torch; ``cpp`` serves
    a CPU where no gradients are asked for; ``torch`` everything else. Training keeps to ``torch``,
    so that what is learned does not depend on whether a machine has a compiler.

    Args:
        device: type of the device, as ``cuda``.
        triton: whether Triton is installed.
        compiled: whether the compiled form can be had.
        gradients: whether a backward pass may follow.
        time: T, tokens.
        rank: R.
        dtype: of the state.
        named: a form that is asked for; empty for none.
    """
    if dtype not in (torch.float32, torch.float64):
        return "naive"
    if time == 1 and named != "naive":
        return "step"
    if named:
        return named
    if device == "cuda" and triton and rank <= WIDEST:
        return "triton"
    return "cpp" if device == "cpu" and compiled and not gradients else "torch"
