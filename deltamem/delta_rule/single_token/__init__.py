"""Decoding: one token of each sequence through a layer's memory in a single call.

A token asks a layer's memory for some forty operations of a few numbers each, and in torch each
costs more to call than to do. ``compiled`` (C++) serves CPUs, ``fused`` (Triton) CUDA.
"""

from __future__ import annotations

import os

import torch

from deltamem.delta_rule import VARIABLE
from deltamem.delta_rule.many_tokens.fused import can_run_triton
from deltamem.delta_rule.single_token.compiled import CompiledStep, can_compile
from deltamem.delta_rule.single_token.fused import FusedStep, fits
from deltamem.delta_rule.single_token.step import LayerShape, SingleStep, SteppedLayer

__all__ = [
    "CompiledStep",
    "FusedStep",
    "LayerShape",
    "SingleStep",
    "SteppedLayer",
    "single_step",
    "step_form",
]


def single_step(layer: SteppedLayer) -> SingleStep | None:
    """The step that serves ``layer`` where its weights are now; None: the layer's own forward.

    Raises:
        Unavailable: ``DELTA_MEM_SCAN_IMPL`` names ``cpp`` and there is no compiler.
    """
    if {layer.shape.state_dtype, layer.beta_bias.dtype} != {torch.float32}:
        return None
    device, named = layer.beta_bias.device.type, os.environ.get(VARIABLE, "")
    form = step_form(
        device,
        triton=fits(layer.shape) and can_run_triton(device),
        compiled=device == "cpu" and can_compile(named),
        named=named,
    )
    steps: dict[str, type[SingleStep]] = {"cpp": CompiledStep, "triton": FusedStep}
    return steps[form](layer) if form in steps else None


def step_form(device: str, *, triton: bool, compiled: bool, named: str = "") -> str:
    """``cpp``, ``triton`` or ``torch``: what takes a single token through a layer's memory.

    Args:
        device: type of the layer's device.
        triton: whether Triton runs there and the memory is not too wide for it.
        compiled: whether the compiled form can be had.
        named: what ``DELTA_MEM_SCAN_IMPL`` says; a form that is named is not passed over.
    """
    if device == "cpu" and compiled and named in ("", "cpp"):
        return "cpp"
    if triton and (named == "triton" or (device == "cuda" and not named)):
        return "triton"
    return "torch"
