"""A memory and the writes of a turn in numbers.

The state of a layer is taken as one matrix: with N sub-states the block-diagonal one, whose
singular values are those of all its blocks. Letters: N sub-states, R rank, T time, D hidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deltamem.layers.memory_layer import LayerMemory
from deltamem.state import MemoryState
from deltamem.writers.writer import Projected
from deltamem_base.faults import InvalidInput

__all__ = [
    "LayerWrite",
    "StateDifference",
    "StateNumbers",
    "TurnNumbers",
    "difference",
    "effective_rank",
    "state_numbers",
    "write_layer",
]


@dataclass(frozen=True, kw_only=True)
class StateNumbers:
    """A state of one sequence in three numbers per layer; all tuples go by ``layers``."""

    layers: tuple[int, ...]
    norm: tuple[float, ...]
    """Frobenius norm of S."""
    effective_rank: tuple[float, ...]
    """See :func:`effective_rank`."""
    largest: tuple[float, ...]
    """Largest singular value: the longest read that a unit query can get."""

    def __post_init__(self) -> None:
        _check_lengths(self.layers, self.norm, self.effective_rank, self.largest)


def _check_lengths(layers: Sequence[int], *values: Sequence[float]) -> None:
    if any(len(value) != len(layers) for value in values):
        lengths = ", ".join(str(len(value)) for value in values)
        raise InvalidInput(f"there are {len(layers)} layers, but their values number {lengths}")


@dataclass(frozen=True, kw_only=True)
class TurnNumbers:
    """Writes and reads of one turn, per layer; all tuples go by ``state.layers``."""

    tokens: int
    state: StateNumbers
    """After the last token of the turn."""
    write_gate: tuple[float, ...]
    """Mean of β over the writes of the turn (its tokens, or its segments) and all rows of S."""
    keep_gate: tuple[float, ...]
    """Mean of the factor that S is kept with (λ, equation 5) over the same."""
    read_energy: tuple[float, ...]
    """sqrt(Σ‖Δ‖² / Σ‖y‖²) over the turn's tokens and the steered projections: y is what the
    frozen projection gives, Δ = (α/r) W_Δ r_t is what the memory adds to it (equations 7-9)."""

    def __post_init__(self) -> None:
        own = (self.write_gate, self.keep_gate, self.read_energy)
        _check_lengths(self.state.layers, *own)


@dataclass(frozen=True, kw_only=True)
class StateDifference:
    """Distance of two states of one adapter; all tuples go by ``layers``."""

    layers: tuple[int, ...]
    norm: tuple[float, ...]
    """‖A − B‖, Frobenius."""
    relative: tuple[float, ...]
    """‖A − B‖ / max(‖A‖, ‖B‖): 0 for equal states, at most 2."""
    cosine: tuple[float | None, ...]
    """⟨A, B⟩ / (‖A‖ ‖B‖); None where one of them is zero and has no direction."""


def effective_rank(singular: Tensor) -> float:
    """Number of directions that a matrix uses (Roy and Vetterli 2007): 0 for the zero matrix.

    The exponential of the entropy of p_i = σ_i / Σσ: k equal singular values give k.

    >>> round(effective_rank(torch.tensor([3.0, 3.0, 0.0])), 6)
    2.0
    """
    total = singular.sum()
    if total == 0:
        return 0.0
    return float(torch.special.entr(singular / total).sum().exp())


def state_numbers(state: MemoryState) -> StateNumbers:
    """Norm, effective rank and largest singular value of each layer, in float64.

    Raises:
        InvalidInput: a state of more than one sequence.
    """
    layers = _one_sequence(state)
    singular = {i: torch.linalg.svdvals(s).flatten() for i, s in layers.items()}
    return StateNumbers(
        layers=tuple(layers),
        norm=tuple(float(s.norm()) for s in layers.values()),
        effective_rank=tuple(effective_rank(values) for values in singular.values()),
        largest=tuple(float(values.max()) for values in singular.values()),
    )


def difference(a: MemoryState, b: MemoryState) -> StateDifference:
    """Compare two states of one adapter, one sequence each.

    Raises:
        InvalidInput: different adapters, layers, shapes or dtypes.
    """
    a.check(like=b)
    one, other = _one_sequence(a), _one_sequence(b)
    gaps = [float((one[i] - other[i]).norm()) for i in one]
    norms = [(float(one[i].norm()), float(other[i].norm())) for i in one]
    inner = [float((one[i] * other[i]).sum()) for i in one]
    return StateDifference(
        layers=tuple(one),
        norm=tuple(gaps),
        relative=tuple(
            gap / max(both) if any(both) else 0.0 for gap, both in zip(gaps, norms, strict=True)
        ),
        cosine=tuple(
            dot / (x * y) if x and y else None for dot, (x, y) in zip(inner, norms, strict=True)
        ),
    )


def _one_sequence(state: MemoryState) -> dict[int, Tensor]:
    """Layer -> (N, R, R), ascending, in float64 on the CPU."""
    if state.batch_size != 1:
        raise InvalidInput(
            f"the state holds {state.batch_size} sequences: choose one with state.select([row])"
        )
    return {i: state.layers[i][0].detach().to("cpu", torch.float64) for i in sorted(state.layers)}


@dataclass(frozen=True, kw_only=True)
class LayerWrite:
    """The writes of consecutive tokens of one sequence to one layer."""

    state: Tensor
    """(1, N, R, R), after them."""
    writes: int
    """Gate values that were averaged: writes times N times R."""
    write_sum: float
    keep_sum: float


def write_layer(
    layer: LayerMemory,
    hidden: Tensor,
    state: Tensor,
    *,
    segments: Tensor | None,
    spans: Sequence[slice],
) -> tuple[Tensor, list[LayerWrite]]:
    """Write a pass once more, span by span, to see the state after each.

    Args:
        layer: the memory.
        hidden: (1, T, D), what enters the attention block in the pass.
        state: (1, N, R, R), before the first token.
        segments: (1, T) ids for writers that need them.
        spans: consecutive slices that cover the T tokens; no segment crosses from one to the next.

    Returns:
        The reads (1, T, N, R) of the whole pass, and what each span wrote.
    """
    whole = layer(hidden, state, valid=None, segments=segments, write=True)
    done = []
    for span in spans:
        inside = None if segments is None else segments[:, span]
        done.append(_write_span(layer, hidden[:, span], state, segments=inside))
        state = done[-1].state
    return whole.reads, done


def _write_span(
    layer: LayerMemory, hidden: Tensor, state: Tensor, *, segments: Tensor | None
) -> LayerWrite:
    parts: list[Projected] = []

    def project(x: Tensor) -> Projected:
        parts.append(layer.project(x))
        return parts[-1]

    result = layer.config.writer.write(
        project,
        # the reads of a segment writer are those of the whole pass
        state.new_zeros(1, hidden.shape[1], *state.shape[1:3]),
        hidden.float(),
        state,
        valid=None,
        segments=segments,
    )
    return LayerWrite(
        state=result.state,
        writes=sum(p.write.numel() for p in parts),
        write_sum=sum(float(p.write.sum()) for p in parts),
        keep_sum=sum(float(p.keep.sum()) for p in parts),
    )
