"""Types with their ranges: what fields of records and stored lines may hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

from annotated_types import Ge, Interval
from pydantic import AfterValidator

__all__ = ["Amount", "Count", "Share", "Tree"]


def _finite(tree: object) -> object:
    """The same tree.

    Raises:
        ValueError: a number in it is not finite: no JSON could be written of it again.
    """
    if isinstance(tree, float) and not math.isfinite(tree):
        raise ValueError(f"{tree} is not a finite number")
    if isinstance(tree, Mapping | list):
        for value in tree.values() if isinstance(tree, Mapping) else tree:
            _finite(value)
    return tree


Share = Annotated[float, Interval(ge=0, le=1)]
"""A score, or a mean of scores: between 0 and 1."""
Count = Annotated[int, Ge(0)]
"""A number of things: tokens, questions, bytes."""
Amount = Annotated[float, Ge(0)]
"""A quantity or a mean of counts: seconds, megabytes, tokens per question."""
Tree = Annotated[Mapping[str, object], AfterValidator(_finite)]
"""Settings as they were given: plain values whose names are not ours to say."""
