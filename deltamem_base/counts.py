"""A number with what it counts, in the singular or the plural."""

from __future__ import annotations

__all__ = ["counted"]


def counted(number: int, what: str) -> str:
    """``1 question``, ``1,986 questions``, ``2 histories``: of a regular noun or one in y."""
    if number == 1:
        return f"1 {what}"
    return f"{number:,} {what[:-1]}ies" if what.endswith("ry") else f"{number:,} {what}s"
