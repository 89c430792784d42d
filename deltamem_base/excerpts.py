"""Long texts made short, for a line of a table, a sentence or a screen."""

from __future__ import annotations

__all__ = ["in_a_line", "without_middle"]


def in_a_line(text: str, *, longest: int | None = None) -> str:
    """A text in one line of at most ``longest`` characters, white space folded."""
    line = " ".join(text.split())
    return line if longest is None or len(line) <= longest else line[: longest - 1] + "…"


def without_middle(text: str, *, longest: int) -> str:
    """The first and the last of ``longest`` characters, with the number of those between them."""
    left = len(text) - longest
    if left <= 0:
        return text
    return f"{text[: longest // 2]} [... {left:,} characters ...] {text[-(longest // 2) :]}"
