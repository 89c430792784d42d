"""This process among those that a launcher started, as its environment alone tells."""

from __future__ import annotations

import os

__all__ = ["process_count", "speaks"]


def process_count() -> int:
    """Number of processes that ``torchrun``, ``accelerate launch`` or the like started; else 1."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def speaks() -> bool:
    """Whether this process prints: the only one, or the first of several."""
    return process_count() == 1 or os.environ.get("RANK", "0") == "0"
