"""A long text in a few lines: its start, its end, and how much is left out."""

from __future__ import annotations

__all__ = ["LONGEST", "excerpt"]

LONGEST = 400
"""Characters of a message that are printed."""


def excerpt(text: str, *, longest: int = LONGEST, indent: str = "") -> str:
    """``text`` without its middle where it is longer than ``longest`` characters.

    Args:
        text: of any length.
        longest: characters that are kept.
        indent: goes in front of every line but the first.
    """
    text = text.rstrip("\n")
    if len(text) > longest:
        left = len(text) - longest
        text = f"{text[: longest // 2]} [... {left:,} characters ...] {text[-longest // 2 :]}"
    return text.replace("\n", f"\n{indent}")
