"""The tokens that the scan's figures are measured on. Letters as in deltamem/delta_rule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["RANK", "ScanTokens"]

RANK = 8


@dataclass(frozen=True)
class ScanTokens:
    """Random tokens as an untrained adapter makes them: gates around 0.18, unit keys; N=1."""

    time: int
    """T."""
    batch: int = 1
    dtype: str = "float32"
    """Type of the tokens; the state is float32."""
    device: str = "cpu"

    @cached_property
    def tensors(self) -> list[Tensor]:
        """q, k, v, keep, erase, write and the state."""
        import torch
        from torch.nn.functional import normalize

        generator = torch.Generator().manual_seed(0)
        shape = (self.batch, self.time, 1, RANK)
        q, k, v, gate = (torch.randn(shape, generator=generator) for _ in range(4))
        beta = torch.sigmoid(gate - 1.5)
        state = torch.zeros(self.batch, 1, RANK, RANK, device=self.device)
        tokens = [normalize(q, dim=-1), normalize(k, dim=-1), v, 1 - beta, beta, beta.clone()]
        moved = [x.to(self.device, getattr(torch, self.dtype)) for x in tokens]
        return [x.requires_grad_() for x in (*moved, state)]

    @property
    def bytes_forward(self) -> int:
        """Bytes that a forward pass has to move at least: six inputs in, reads out."""
        return sum(x.nbytes for x in self.tensors[:-1]) + self._read_bytes

    @property
    def bytes_train(self) -> int:
        """Bytes that forward and backward have to move at least.

        The way back takes the inputs and the reads' gradient in, and six gradients out.
        """
        return 3 * sum(x.nbytes for x in self.tensors[:-1]) + 2 * self._read_bytes

    @property
    def _read_bytes(self) -> int:
        return self.tensors[0].numel() * self.tensors[-1].element_size()

    def forward(self, form: Callable[..., Any]) -> None:
        """Reads and final state; waits for the device."""
        import torch

        with torch.no_grad():
            form(*self.tensors)
        self._wait()

    def train(self, form: Callable[..., Any]) -> None:
        """Forward, and gradients of everything; waits for the device."""
        import torch

        reads, state = form(*self.tensors)
        torch.autograd.grad((reads.sum(), state.sum()), self.tensors)
        self._wait()

    def _wait(self) -> None:
        import torch

        if self.tensors[0].is_cuda:
            torch.cuda.synchronize(self.tensors[0].device)
