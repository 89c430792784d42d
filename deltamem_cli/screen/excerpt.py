"""A long text in a few lines: its start, its end, and how much is left out."""

from __future__ import annotations

from deltamem_base.excerpts import without_middle

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
    text = without_middle(text.rstrip("\n"), longest=longest)
    return text.replace("\n", f"\n{indent}")
