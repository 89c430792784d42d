"""States of methods taken apart, to be compared: nested tables and lists of tensors and text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

__all__ = ["differing", "leaves", "same_first_row"]


def leaves(state: Any) -> dict[str, Any]:
    """Copies of all values of a state by where they stand; tensors as float32 arrays.

    >>> leaves({"held": ["a", None]})
    {'state.held[0]': 'a', 'state.held[1]': None}
    """
    return dict(_walk(state, "state"))


def _walk(state: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(state, Mapping):
        for key, value in state.items():
            yield from _walk(value, f"{path}.{key}")
    elif isinstance(state, list | tuple):
        for number, value in enumerate(state):
            yield from _walk(value, f"{path}[{number}]")
    elif hasattr(state, "detach"):
        yield path, state.detach().float().cpu().numpy().copy()
    else:
        yield path, state


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """The first place where two states differ in any bit; None where they are the same."""
    for name in [*one, *(name for name in other if name not in one)]:
        if name not in one or name not in other or not _same(one[name], other[name]):
            return name
    return None


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return bool(one == other)


def same_first_row(alone: Mapping[str, Any], both: Mapping[str, Any], *, tolerance: float) -> bool:
    """Whether a history left the same tensors alone as first of two.

    Compared are tensors with a row for each history, and those that stand for the first one by
    themselves; what a state keeps of all histories together cannot be told apart.

    Args:
        alone: leaves of a state of one history.
        both: of the state of the same and another one.
        tolerance: relative to the largest entry of a tensor.
    """
    for name, values in alone.items():
        if not isinstance(values, np.ndarray) or not isinstance(both.get(name), np.ndarray):
            continue
        first = both[name]
        if values.shape[:1] == (1,) and first.shape[:1] == (2,):
            first = first[:1]
        if first.shape != values.shape:
            continue
        scale = max(float(np.abs(values).max(initial=0.0)), 1.0)
        if float(np.abs(values - first).max(initial=0.0)) > tolerance * scale:
            return False
    return True
