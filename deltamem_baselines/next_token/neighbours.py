"""Nearest neighbours among hidden states: the kNN language model of Khandelwal et al., 2020.

    d_i = |h - k_i|^2        w_i = softmax(-d_i / T) over the k nearest        p(v) = sum of w_i
                                                                               whose value is v

Keys are inputs of the last layer's MLP, values the tokens that came next. The search is exact.
Letters: N stored positions, P queries, D hidden, K neighbours, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from deltamem_base.faults import InvalidInput

__all__ = ["Datastore", "Neighbours", "check_neighbours", "spread", "temperature_for"]

KEYS_AT_ONCE = 32_768
QUERIES_AT_ONCE = 1_024
HALVINGS = 60
"""Ends of the interval in which a temperature is looked for."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Neighbours:
    """The nearest stored positions of each query."""

    distances: Tensor
    """(P, K), squared; infinite for a position that was excluded."""
    indices: Tensor
    """(P, K) into the datastore."""
    values: Tensor
    """(P, K): the tokens that came next there."""

    def weights(self, temperature: float) -> Tensor:
        """(P, K): softmax of the negative distances."""
        return torch.softmax(-self.distances / temperature, dim=-1)

    def distribution(self, temperature: float, vocabulary: int) -> Tensor:
        """(P, V): p_kNN, rows that sum to one."""
        return spread(self.values, self.weights(temperature), vocabulary)


@dataclass(frozen=True, eq=False, kw_only=True)
class Datastore:
    """Keys (N, D) with values (N)."""

    keys: Tensor
    values: Tensor

    def __len__(self) -> int:
        return len(self.values)

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        return self.keys.nbytes + self.values.nbytes

    @cached_property
    def _centre(self) -> Tensor:
        """Near it distances lose fewer digits, and they do not change with it."""
        return self.keys[:KEYS_AT_ONCE].float().mean(0)

    def nearest(self, queries: Tensor, count: int, *, exclude: Tensor | None = None) -> Neighbours:
        """The ``count`` nearest keys of each query, or as many as there are.

        Args:
            queries: (P, D).
            count: K.
            exclude: (P) index of the position that must not count, -1 for none; by index, because
                other positions may have the very same key.
        """
        if exclude is None:
            exclude = torch.full((len(queries),), -1, device=queries.device)
        parts = zip(queries.split(QUERIES_AT_ONCE), exclude.split(QUERIES_AT_ONCE), strict=True)
        found = [self._nearest(part, count, out) for part, out in parts]
        distances = torch.cat([d for d, _ in found])
        indices = torch.cat([i for _, i in found])
        return Neighbours(distances=distances, indices=indices, values=self.values[indices])

    def _nearest(self, queries: Tensor, count: int, exclude: Tensor) -> tuple[Tensor, Tensor]:
        shifted = queries.float() - self._centre
        best = shifted.new_zeros(len(queries), 0)
        where = exclude.new_zeros(len(queries), 0)
        for start, keys in self._chunks():
            distances = _squared(shifted, keys.float() - self._centre)
            places = torch.arange(start, start + len(keys), device=keys.device)
            distances = distances.masked_fill(places == exclude[:, None], math.inf)
            best = torch.cat([best, distances], dim=1)
            where = torch.cat([where, places.expand_as(distances)], dim=1)
            best, chosen = best.topk(min(count, best.shape[1]), dim=1, largest=False)
            where = where.gather(1, chosen)
        return best, where

    def _chunks(self) -> Iterator[tuple[int, Tensor]]:
        for start in range(0, len(self), KEYS_AT_ONCE):
            yield start, self.keys[start : start + KEYS_AT_ONCE]


def _squared(queries: Tensor, keys: Tensor) -> Tensor:
    """(P, N) squared distances."""
    lengths = queries.square().sum(1)[:, None] + keys.square().sum(1)
    return (lengths - 2 * queries @ keys.T).clamp_min(0.0)


def spread(values: Tensor, weights: Tensor, vocabulary: int) -> Tensor:
    """(P, V): for each token the weights of the neighbours that hold it."""
    empty = torch.zeros(len(values), vocabulary, dtype=weights.dtype, device=weights.device)
    return empty.scatter_add(1, values, weights)


def check_neighbours(count: int, effective: float, temperature: float | None) -> None:
    """Refuse settings of a search that make no sense.

    Raises:
        InvalidInput: with the value and what it must be.
    """
    for name, value in (("neighbours", count), ("effective_neighbours", effective)):
        if value < 1:
            raise InvalidInput(f"{name} is {value}; it must be at least 1")
    if temperature is not None and temperature <= 0:
        raise InvalidInput(f"temperature is {temperature}; it must be above 0, or null")


def temperature_for(neighbours: Neighbours, effective: float) -> float:
    """T at which queries have on average ``effective`` neighbours (e to the weights' entropy).

    The scale of hidden states differs from model to model, and a fixed T means something else for
    each. Where there are too few neighbours, half of them is the aim.
    """
    finite = neighbours.distances.isfinite()
    if not finite.any():
        return 1.0
    aim = min(effective, max(1.0, float(finite.sum(1).float().mean()) / 2))
    shifted = neighbours.distances - neighbours.distances.min(dim=1, keepdim=True).values
    scale = float(shifted[finite].mean())
    if scale == 0:
        return 1.0
    low, high = math.log(scale * 1e-6), math.log(scale * 1e6)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        weights = torch.softmax(-shifted / math.exp(middle), dim=1)
        count = torch.special.entr(weights).sum(1).exp().mean()
        low, high = (middle, high) if float(count) < aim else (low, middle)
    return math.exp((low + high) / 2)
