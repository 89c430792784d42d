"""Random tokens for the delta rule, and what a form makes of them."""

from __future__ import annotations

import torch
from torch import Tensor

DOUBLE = 1e-10
"""float64 against float64: only the order of sums differs."""
NAMES = ("q", "k", "v", "keep", "erase", "write", "state")


def inputs(
    batch: int,
    time: int,
    states: int,
    rank: int,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    shape = (batch, time, states, rank)
    unit = torch.nn.functional.normalize
    return {
        "q": unit(normal(*shape), dim=-1),
        "k": unit(normal(*shape), dim=-1),
        "v": normal(*shape),
        "keep": torch.sigmoid(normal(*shape)),
        "erase": torch.sigmoid(normal(*shape)),
        "write": torch.sigmoid(normal(*shape)),
        "state": normal(batch, states, rank, rank),
    }


def with_gradients(form, tensors: dict[str, Tensor], mask: Tensor | None, **options):
    leaves = {name: x.clone().requires_grad_() for name, x in tensors.items()}
    reads, state = form(*leaves.values(), mask, **options)
    weights = torch.linspace(-1, 1, reads.numel(), dtype=reads.dtype).view_as(reads)
    ((reads * weights).sum() + (state * state).sum()).backward()
    return reads.detach(), state.detach(), {name: x.grad for name, x in leaves.items()}


def close(got: Tensor, wanted: Tensor, tolerance: float) -> None:
    scale = max(float(wanted.abs().max()), 1.0)
    assert float((got.double() - wanted.double()).abs().max()) <= tolerance * scale
