"""The memory of one attention layer: project, read, steer, write (paper, equations 4-12).

Letters: B batch, T time, N sub-states, R rank, D hidden.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from deltamem.delta_rule import read_state
from deltamem.delta_rule.single_token import LayerShape, SteppedLayer
from deltamem.layers.config import DeltaMemConfig
from deltamem.writers.writer import Projected, WriteResult
from deltamem_base.faults import InvalidInput

__all__ = ["LayerMemory"]

NORM_EPS = 1e-6


class LayerMemory(SteppedLayer):
    """Weights of one layer's memory, in float32 whatever the backbone's dtype.

    Parameter names are those of the published format, so that a state dict is a file.
    """

    def __init__(
        self,
        config: DeltaMemConfig,
        hidden: int,
        *,
        outputs: Mapping[str, int],
        device: object = None,
    ) -> None:
        """``hidden``: D. ``outputs``: width of each steered projection's output, by head."""
        super().__init__()
        self.config = config
        self._kept: tuple[tuple[tuple[int, int], ...], Tensor] | None = None
        width, gates = config.width, config.gate_width

        def weight(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.zeros(*shape, dtype=torch.float32, device=device))  # type: ignore[call-overload]

        self.memory_q_proj = weight(width, hidden)
        self.memory_k_proj = weight(width, hidden)
        self.memory_v_proj = weight(width, hidden)
        self.beta_proj = weight(gates, hidden)
        self.beta_bias = weight(gates)
        if config.own_retention:
            self.lambda_proj = weight(gates, hidden)
            self.lambda_bias = weight(gates)
        for head, size in outputs.items():
            self.register_parameter(f"delta_{head}_proj", weight(size, width))

    @property
    def shape(self) -> LayerShape:
        """Sizes and switches for the forms that take a single token in one call."""
        config = self.config
        return LayerShape(
            states=config.writer.num_states,
            rank=config.rank,
            gates=config.gate_width,
            scale=config.scale,
            eps=NORM_EPS,
            heads=tuple(config.heads),
            token_writes=config.writer.segment_unit is None,
            unit_length=config.normalize_qk,
            own_retention=config.own_retention,
            erase_by_both=config.update == "lambda_outside",
            keep_all=config.update == "no_lambda",
            state_dtype=config.torch_state_dtype,
        )

    def initialise(self, base: Mapping[str, Tensor], *, generator: torch.Generator) -> None:
        """Start values of a memory: kaiming q, k, v; closed gates; small steering.

        ``base``: the backbone's own projection weights by head, for ``init=base_slice``.
        """
        for name in ("memory_q_proj", "memory_k_proj", "memory_v_proj"):
            nn.init.kaiming_uniform_(getattr(self, name), a=math.sqrt(5), generator=generator)
        nn.init.zeros_(self.beta_proj)
        nn.init.constant_(self.beta_bias, self.config.beta_bias_init)
        if self.config.own_retention:
            nn.init.zeros_(self.lambda_proj)
            nn.init.constant_(self.lambda_bias, -self.config.beta_bias_init)
        for head in self.config.heads:
            self._initialise_steering(head, base[head], generator)

    @torch.no_grad()
    def _initialise_steering(self, head: str, base: Tensor, generator: torch.Generator) -> None:
        target = self.get_parameter(f"delta_{head}_proj")
        starts = {
            "zero": lambda: torch.zeros_like(target),
            "random": lambda: torch.randn(target.shape, generator=generator),
            "base_slice": lambda: _columns(base, target.shape[1], head),
        }
        start = starts[self.config.init]().to(target)
        target.copy_(normalize(start, dim=0, eps=NORM_EPS) * self.config.init_gain)

    def forward(
        self,
        hidden: Tensor,
        state: Tensor,
        *,
        valid: Tensor | None,
        segments: Tensor | None,
        write: bool,
    ) -> WriteResult:
        """Read for every token of ``hidden`` (B, T, D) and, if ``write``, update ``state``.

        ``state`` is (B, N, R, R); ``valid`` (B, T) bool; see :meth:`Writer.write`. With writes off
        every token reads the same state, which comes back unchanged.
        """
        hidden, writer, project = _real(hidden, valid), self.config.writer, self.project
        if write and writer.segment_unit is None:
            # the tokens themselves write: one product serves queries, keys, values and gates
            both, *rest = self._products(hidden, self._stacked(), units=2)
            q, k = self._unit(both.unflatten(-1, (2, -1))).unbind(-3)
            projected = self._projected(k, *rest)
            project = lambda hidden: projected  # noqa: E731
        else:
            q = self._unit(linear(hidden, self.memory_q_proj))
        if not write:
            reads = read_state(q, state.to(q.dtype), valid)
            return WriteResult(reads=reads, state=state)
        return writer.write(project, q, hidden, state, valid=valid, segments=segments)

    def scaled(self, reads: Tensor) -> Tensor:
        """(alpha / r) r_t of equations 8 and 9, in float32: (B, T, N, R) to (B, T, N * R)."""
        return (reads.flatten(-2) * self.config.scale).to(torch.float32)

    def steer(self, head: str, scaled: Tensor) -> Tensor:
        """Correction of one projection (equation 7) from scaled reads: (B, T, out)."""
        weight: Tensor = getattr(self, f"delta_{head}_proj")
        return linear(scaled, weight)

    def project(self, hidden: Tensor) -> Projected:
        """Keys, values and gates (equations 4 and 5) of what writes, (B, M, D)."""
        weights = self._stacked()[self.config.width :]
        k, *rest = self._products(hidden.to(torch.float32), weights, units=1)
        return self._projected(self._unit(k), *rest)

    def _projected(
        self, k: Tensor, v: Tensor, beta: Tensor, lam: Tensor | None = None
    ) -> Projected:
        """Keys, values and gates, made of unit keys and what the weights gave for the rest."""
        beta = self._gate(beta + self.beta_bias)
        lam = 1.0 - beta if lam is None else self._gate(lam + self.lambda_bias)
        return Projected(
            k=k,
            v=self._split(v),
            keep=torch.ones_like(lam) if self.config.update == "no_lambda" else lam,
            erase=lam * beta if self.config.update == "lambda_outside" else beta,
            write=beta,
        )

    def _stacked(self) -> Tensor:
        """The weights of all that hidden vectors are projected to, one below the other.

        Without gradients they are kept until one of them changes.
        """
        names = ["memory_q_proj", "memory_k_proj", "memory_v_proj", "beta_proj"]
        names += ["lambda_proj"] if self.config.own_retention else []
        parts = [getattr(self, name) for name in names]
        if torch.is_grad_enabled() or any(part.is_inference() for part in parts):
            return torch.cat(parts)
        versions = tuple((part.data_ptr(), part._version) for part in parts)
        if self._kept is None or self._kept[0] != versions:
            self._kept = (versions, torch.cat(parts))
        return self._kept[1]

    def _products(self, hidden: Tensor, weights: Tensor, *, units: int) -> tuple[Tensor, ...]:
        """Queries and keys (``units`` of them) in one, values, and each kind of gate."""
        width, gates = self.config.width, 2 if self.config.own_retention else 1
        sizes = [units * width, width, *[self.config.gate_width] * gates]
        return linear(hidden, weights).split(sizes, dim=-1)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.config.writer.num_states, -1))

    def _unit(self, x: Tensor) -> Tensor:
        x = self._split(torch.tanh(x))
        return normalize(x, dim=-1, eps=NORM_EPS) if self.config.normalize_qk else x

    def _gate(self, x: Tensor) -> Tensor:
        return self._split(torch.sigmoid(x)).expand(*x.shape[:-1], -1, self.config.rank)


def _real(hidden: Tensor, valid: Tensor | None) -> Tensor:
    """Float32 hidden vectors with padding zeroed: a padded position may hold anything."""
    hidden = hidden.to(torch.float32)
    return hidden if valid is None else hidden.masked_fill(~valid[..., None], 0.0)


def _columns(base: Tensor, count: int, head: str) -> Tensor:
    if not base.is_floating_point() or base.shape[1] < count:
        raise InvalidInput(
            f"init=base_slice needs {count} floating-point columns of {head}_proj, which is "
            f"{tuple(base.shape)} {base.dtype}: use init=random"
        )
    return base[:, :count].detach()
