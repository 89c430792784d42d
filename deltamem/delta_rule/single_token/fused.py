"""One token through one layer's memory in a single Triton kernel (layer_kernel.py), for CUDA.

The kernel is bounded by how long one program takes, since a layer's 0.5 MB of weights (Qwen3-4B,
one state of rank 8) are 0.2 µs of an H100's bandwidth and 5 µs of what one of its 132
multiprocessors loads. So sub-states and outputs are shared out, and every program loads much at
once. Nothing asks the device a question, so that the kernel can be part of a CUDA graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from deltamem.delta_rule.choice import WIDEST
from deltamem.delta_rule.single_token.step import LayerShape, SingleStep, SteppedLayer

__all__ = ["AT_ONCE", "WARPS", "FusedStep", "Made", "Plan", "Token", "Weights", "fits"]

AT_ONCE, WARPS = 8_192, 16
"""Numbers of a weight that a program loads at once, and the warps that share them: 16 a thread.

Twice as many spill registers in the widest memories (sm_90)."""
MOST_READS = 128
"""The largest N * R of the fused step: above, a program would load its queries' rows piecemeal."""


class Weights(NamedTuple):
    """A layer's weights, float32, by what they give."""

    query: Any
    """(N * R, D), and so are key and value."""
    key: Any
    value: Any
    beta: Any
    """(gates, D), and so is lam; its bias (gates)."""
    beta_bias: Any
    lam: Any
    """None, as its bias, where lambda is 1 - beta."""
    lam_bias: Any
    steering: tuple[Any, ...]
    """Weight of each steered head, (out, N * R)."""
    size: Any
    """D."""


class Token(NamedTuple):
    """Tensors that go in."""

    hidden: Any
    """(B, D)."""
    valid: Any
    """(B) bool, or None."""
    state: Any
    """(B, N, R, R), float32."""


class Made(NamedTuple):
    """Tensors that come out."""

    corrections: tuple[Any, ...]
    """Correction of each steered head, (B, out)."""
    state: Any
    """(B, N, R, R), float32; None with writes off."""


class Plan(NamedTuple):
    """Switches and sizes that a kernel is compiled for."""

    states: int
    rank: int
    rowwise: bool
    unit_length: bool
    erase_by_both: bool
    keep_all: bool
    scale: float
    eps: float
    some_n: int
    """N and, next, R, rounded up to powers of two, which Triton asks for."""
    some_r: int
    read_columns: int
    """Hidden numbers that a program takes at once for its queries, and for a sub-state's write."""
    write_columns: int
    tile: int
    """Outputs of a program that steers."""
    outputs: tuple[int, ...]
    """Numbers that each steered head puts out."""
    starts: tuple[int, ...]
    """The first tile of each steered head, and the number of tiles."""

    @classmethod
    def of(cls, shape: LayerShape, outputs: Sequence[int], *, at_once: int = AT_ONCE) -> Plan:
        """The plan for a layer; ``at_once``: a power of two."""
        states, rank = shape.states, shape.rank
        some_n, some_r = (_power_of_two(x) for x in (states, rank))
        # half as many: a tile is loaded while the queries' sums still stand in registers
        tile = at_once // (2 * some_n * some_r)
        tiles = (-(-size // tile) for size in outputs)
        return cls(
            states=states,
            rank=rank,
            rowwise=shape.rowwise,
            unit_length=shape.unit_length,
            erase_by_both=shape.erase_by_both,
            keep_all=shape.keep_all,
            scale=shape.scale,
            eps=shape.eps,
            some_n=some_n,
            some_r=some_r,
            read_columns=at_once // (some_n * some_r),
            write_columns=at_once // some_r,
            tile=tile,
            outputs=tuple(outputs),
            starts=(0, *accumulate(tiles)),
        )


def fits(shape: LayerShape) -> bool:
    """Whether a program's registers hold a state, and the rows of its queries."""
    reads = _power_of_two(shape.states) * _power_of_two(shape.rank)
    return shape.rank <= WIDEST and reads <= MOST_READS


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


class FusedStep(SingleStep):
    """The step as one kernel, for layers that :func:`fits` says yes of."""

    def __init__(self, layer: SteppedLayer, *, at_once: int = AT_ONCE) -> None:
        """``at_once``: numbers of a weight that a program loads at once, a power of two."""
        super().__init__(layer)
        self._hidden = layer.get_parameter("memory_q_proj").shape[1]
        self._plan = Plan.of(layer.shape, tuple(self._sizes.values()), at_once=at_once)
        self._steering = tuple(f"delta_{head}_proj" for head in self._sizes)

    def __call__(
        self, hidden: Tensor, state: Tensor, *, valid: Tensor | None, write: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """See :meth:`SingleStep.__call__`; the corrections have the dtype of ``hidden``."""
        there, hidden = hidden.device, hidden.contiguous()
        before = state.to(there).contiguous()
        batch, states = before.shape[:2]
        after = torch.empty_like(before) if write else None
        corrections = {h: hidden.new_empty(batch, 1, size) for h, size in self._sizes.items()}
        real = None if valid is None else valid.to(there).contiguous()
        self._launch(
            Token(hidden, real, before),
            Made(tuple(corrections.values()), after),
            (batch, self._plan.starts[-1] + (states if write else 0)),
        )
        return state if after is None else after, corrections

    def _launch(self, token: Token, made: Made, grid: tuple[int, int]) -> None:
        from deltamem.delta_rule.single_token.layer_kernel import step_kernel

        with torch.cuda.device_of(token.hidden):
            step_kernel[grid](
                self._weights(),
                token,
                made,
                plan=self._plan,
                num_warps=WARPS,
                enable_fp_fusion=True,
            )

    def _weights(self) -> Weights:
        # each token asks, and a module's own look-up of its attributes is slow
        weights = self._layer._parameters
        return Weights(
            weights["memory_q_proj"],
            weights["memory_k_proj"],
            weights["memory_v_proj"],
            weights["beta_proj"],
            weights["beta_bias"],
            weights.get("lambda_proj"),
            weights.get("lambda_bias"),
            tuple(weights[name] for name in self._steering),
            self._hidden,
        )
