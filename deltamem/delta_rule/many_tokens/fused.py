"""The same recurrence in a handful of Triton kernels, for CUDA (fused_kernels.py).

The algorithm of the chunked form: maps of all chunks at once, a walk over them, then all chunks
side by side; on the way back the maps serve again, transposed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from deltamem.delta_rule.choice import WIDEST
from deltamem_base.faults import InvalidInput, Unavailable

__all__ = ["can_run_triton", "delta_rule_fused", "has_triton"]

SHORTEST, LONGEST = 16, 256
"""Tokens of a chunk: its own steps and those of the walk over all chunks come to about the same."""


@cache
def has_triton() -> bool:
    """Whether Triton is installed."""
    return importlib.util.find_spec("triton") is not None


def can_run_triton(device: str) -> bool:
    """Whether Triton runs on a type of device: CUDA, or any where it emulates a GPU."""
    return has_triton() and (device == "cuda" or _interpreted())


def delta_rule_fused(
    q: Tensor | None,
    k: Tensor,
    v: Tensor,
    keep: Tensor,
    erase: Tensor,
    write: Tensor,
    state: Tensor,
    mask: Tensor | None = None,
    *,
    chunk: int | None = None,
) -> tuple[Tensor | None, Tensor]:
    """Fused form of :func:`deltamem.delta_rule.naive.delta_rule_naive`; same contract.

    ``chunk`` is C, tokens of a chunk; it suits the length if left out.

    Raises:
        InvalidInput: R is above :data:`WIDEST`.
        Unavailable: Triton is not installed, or the tensors are where it cannot run.
    """
    if k.shape[3] > WIDEST:
        raise InvalidInput(
            f"the fused form of the delta rule is for ranks up to {WIDEST}, and this one is "
            f"{k.shape[3]}: unset DELTA_MEM_SCAN_IMPL to do without"
        )
    if not has_triton():
        raise Unavailable(
            "the fused form of the delta rule needs Triton: pip install 'deltamem[triton]', or "
            "unset DELTA_MEM_SCAN_IMPL to do without"
        )
    if not can_run_triton(state.device.type):
        raise Unavailable(
            f"the fused form of the delta rule runs on CUDA, and the model is on "
            f"{state.device.type}: use a GPU, or unset DELTA_MEM_SCAN_IMPL"
        )
    if k.shape[1] == 0:
        return (None if q is None else torch.zeros_like(q)), state
    # without queries the keys stand in for them, and nobody looks at the reads
    tokens = torch.stack([k if q is None else q, k, v, keep, erase, write])
    if mask is not None:
        idle = tokens.new_tensor([0, 0, 0, 1, 0, 0]).view(6, 1, 1, 1, 1)
        tokens = torch.where(mask[:, :, None, None], tokens, idle)
    reads, final = _Fused.apply(tokens, state, chunk or chunk_length(k.shape[1]))
    return (None if q is None else reads), final


def chunk_length(time: int) -> int:
    """C: a power of two not far from the root of T."""
    return min(max(1 << ((time.bit_length() + 1) // 2 - 1), SHORTEST), LONGEST)


def map_warps(width: int) -> int:
    """Warps that share the width^3 numbers of a map: at 32, four would spill them to memory."""
    return max(4, width // 2)


def _interpreted() -> bool:
    """Whether Triton emulates a GPU (``TRITON_INTERPRET=1`` before it is imported)."""
    import triton

    return bool(triton.knobs.runtime.interpret)


class _Fused(torch.autograd.Function):
    """Reads and final state of packed tokens (6, B, T, N, R)."""

    @staticmethod
    def forward(ctx: Any, tokens: Tensor, state: Tensor, length: int) -> tuple[Tensor, Tensor]:
        from deltamem.delta_rule.many_tokens import scan_kernels as kernels

        tokens, state = tokens.contiguous(), state.contiguous()
        run = _Launch(tokens, state, length)
        maps, starts, fresh = run.new(3), run.new(2), run.new(2)
        reads, final = state.new_empty(tokens.shape[1:]), torch.empty_like(state)
        run.chunks_of(kernels.maps_kernel, (tokens, maps, fresh), warps=map_warps(run.padded))
        run.carry((maps, fresh, state, starts, final))
        run.chunks_of(kernels.scan_kernel, (tokens, starts, reads, reads), keep_states=False)
        ctx.save_for_backward(tokens, state, maps, starts)
        ctx.length = length
        return reads, final

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        from deltamem.delta_rule.many_tokens import scan_kernels as kernels

        tokens, state, maps, starts = ctx.saved_tensors
        d_reads, d_final = (x.contiguous() for x in grads)
        run = _Launch(tokens, state, ctx.length)
        ends, fresh, d_state = run.new(2), run.new(2), torch.empty_like(state)
        run.chunks_of(kernels.gradient_of_chunk_kernel, (tokens, d_reads, fresh))
        run.carry((maps, fresh, d_final, ends, d_state), backwards=True)
        before = state.new_empty(*tokens.shape[1:], state.shape[-1])
        run.chunks_of(kernels.scan_kernel, (tokens, starts, before, before), keep_states=True)
        d_tokens = torch.empty_like(tokens)
        run.chunks_of(kernels.gradient_kernel, (tokens, before, d_reads, ends, d_tokens))
        return d_tokens, d_state, None


class _Launch:
    """Grids and sizes that all kernels of one call share."""

    def __init__(self, tokens: Tensor, state: Tensor, length: int) -> None:
        _, batch, self.time, self.states, self.rank = tokens.shape
        self.span, self.length, self.state = tokens[0].numel(), length, state
        self.count = batch * self.states
        self.chunks = -(-self.time // length)
        self.padded = 1 << (self.rank - 1).bit_length()

    def new(self, dimensions: int) -> Tensor:
        """(G, K, R, ...) with as many R."""
        return self.state.new_empty(self.count, self.chunks, *[self.rank] * dimensions)

    def chunks_of(
        self, kernel: Any, tensors: Sequence[Tensor], *, warps: int = 1, **options: bool
    ) -> None:
        """One program for each chunk of each state."""
        sizes = (self.span, self.time, self.states, self.rank, self.length)
        self._run(kernel, self.chunks, (*tensors, *sizes), num_warps=warps, **options)

    def carry(self, tensors: Sequence[Tensor], *, backwards: bool = False) -> None:
        """One program for each row of each state."""
        from deltamem.delta_rule.many_tokens.scan_kernels import carry_kernel

        arguments = (*tensors, self.chunks, self.rank)
        self._run(carry_kernel, self.rank, arguments, num_warps=1, backwards=backwards)

    def _run(self, kernel: Any, each: int, arguments: Sequence[Any], **options: int) -> None:
        # said aloud, because Triton warns before it changes its default
        options |= {"width": self.padded, "enable_fp_fusion": True}
        with torch.cuda.device_of(self.state):
            kernel[(self.count, each)](*arguments, **options)
