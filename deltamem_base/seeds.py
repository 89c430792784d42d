"""Seeds of random numbers that follow from what they are for, not from what was drawn before."""

from __future__ import annotations

import hashlib

__all__ = ["seed_of"]


def seed_of(text: str) -> int:
    """A seed of 56 bits from a text, the same on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
