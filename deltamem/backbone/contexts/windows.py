"""Cut a long history into windows that one forward can hold."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from deltamem_base.faults import InvalidInput

__all__ = ["split_windows"]


def split_windows(
    length: int, window: int, *, segments: Sequence[int] | None = None
) -> list[slice]:
    """Consecutive slices of at most ``window`` tokens that cover ``length`` tokens.

    Args:
        segments: one id per token; a run of equal ids stays in one window where it fits in one.
    """
    if window < 1:
        raise InvalidInput(f"a write window of {window} tokens holds nothing; use at least 1")
    if segments is None:
        return [slice(i, min(i + window, length)) for i in range(0, length, window)]
    slices: list[slice] = []
    start = end = 0
    for _, run in groupby(segments):
        size = len(list(run))
        if end + size - start > window and end > start:
            slices.append(slice(start, end))
            start = end
        end += size
        while end - start > window:
            slices.append(slice(start, start + window))
            start += window
    if end > start:
        slices.append(slice(start, end))
    return slices
