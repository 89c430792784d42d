"""A terminal as a process sees one: what was written to it, read from the other end."""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["read_to_end"]


def read_to_end(terminal: int) -> str:
    """Everything that comes until no process holds the other end; the terminal is closed."""
    said = b""
    with suppress(OSError):  # how Linux says that the other end is closed
        while piece := os.read(terminal, 4096):
            said += piece
    os.close(terminal)
    return said.decode().replace("\r\n", "\n")
