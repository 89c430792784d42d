"""Bounds of a server: what it keeps of its sessions, and what it takes from one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, MinLen

__all__ = ["RequestLimits", "SessionBounds"]


@dataclass(frozen=True, kw_only=True)
class SessionBounds:
    """Bounds of what is kept; beyond one of them the sessions go that were used longest ago."""

    folder: Annotated[str, MinLen(1)] = "sessions"
    """Where a ``.dmstate`` file per session lies."""
    count: Annotated[int, Ge(1)] = 1000
    """Sessions on disk."""
    bytes: Annotated[int, Ge(1)] = 1_000_000_000
    """Size of all their files together."""
    idle_hours: Annotated[float, Gt(0)] = 720.0
    """Hours without a message after which a session is forgotten."""
    in_memory: Annotated[int, Ge(0)] = 8
    """Sessions whose keys and values are held besides; others are read again from their text."""


@dataclass(frozen=True, kw_only=True)
class RequestLimits:
    """Limits of one request, and of how many there are at once."""

    body_bytes: Annotated[int, Ge(1)] = 1_000_000
    """Bytes of a request's JSON."""
    body_seconds: Annotated[float, Gt(0)] = 30.0
    """Seconds that a request may take to arrive."""
    messages: Annotated[int, Ge(1)] = 1000
    """Messages of a request."""
    max_new_tokens: Annotated[int, Ge(1)] = 4096
    """Tokens of an answer that a request may ask for."""
    waiting: Annotated[int, Ge(1)] = 64
    """Requests that are answered or wait for it; answers are made one after another."""
