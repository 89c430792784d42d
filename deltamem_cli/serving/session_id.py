"""The name of a session, as a client gives it: any short text, and never a part of a path."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from deltamem_base.printable import SPELT
from deltamem_cli.serving.refusal import Refusal

__all__ = ["HEADER", "file_name", "session_id"]

HEADER = "x-session-id"
LONGEST = 256
"""Characters."""


def session_id(headers: Sequence[bytes], user: str | None) -> str | None:
    """The session of a request; None where it names none, and has a memory of its own.

    Args:
        headers: every ``X-Session-Id`` of the request.
        user: the field of the body, for clients that can set no header.

    Raises:
        Refusal: two headers, or a name that is empty, too long, no UTF-8 or has control characters.
    """
    if len(headers) > 1:
        raise Refusal("the request has two X-Session-Id headers: leave one of them out")
    if not headers:
        return None if user is None else _checked(user, "user")
    try:
        name = headers[0].decode()
    except UnicodeDecodeError as fault:
        raise Refusal("X-Session-Id is not UTF-8") from fault
    return _checked(name, "X-Session-Id")


def file_name(session: str) -> str:
    """Name of the file of a session, whatever characters its own name has."""
    return hashlib.sha256(session.encode()).hexdigest()


def _checked(name: str, what: str) -> str:
    if not 1 <= len(name) <= LONGEST:
        raise Refusal(
            f"{what} has {len(name)} characters; a session's name has 1 to {LONGEST}", param=what
        )
    if SPELT.search(name) or "\n" in name or "\t" in name:
        raise Refusal(
            f"{what} holds control characters, which a session's name must not", param=what
        )
    return name
