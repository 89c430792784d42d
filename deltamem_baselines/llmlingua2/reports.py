"""The report of a write: tokens before and after compressing, and how many are in view."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Compressed", "Shortened"]


@dataclass(frozen=True, kw_only=True)
class Shortened:
    """Tokens of one piece of history before and after compressing."""

    written_tokens: int
    """Tokens of the compressed contents of this piece."""
    original_tokens: int
    """Tokens of this piece before it was compressed."""
    read_tokens: int
    """Tokens of these that the compressor read or that stay as they are."""
    realised_rate: float
    """Compressed tokens per token of the contents."""
    kept_whole: int
    """Messages that the compressor could not take and that stay as they were."""


@dataclass(frozen=True, kw_only=True)
class Compressed(Shortened):
    """Cost of one piece, and how much of its history is in view since."""

    shown_tokens: int
    """Tokens of the whole history in view, compressed."""
    cut_side: str | None
    """The part of the compressed history that did not fit the window; None when all did."""
    cut_tokens: int
    """Tokens of the compressed history that went with it."""
    state_bytes: int
    """Bytes of the compressed text of the history so far."""
    seconds: float
