"""Who is told that a download begins: a library that waits for one does not print by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["say_download", "told_of_downloads"]

Listener = Callable[[str], None]

_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def told_of_downloads(listener: Listener) -> Iterator[None]:
    """Hand the line of every download that begins in this block to ``listener``."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def say_download(what: str, *, source: str) -> None:
    """Tell whoever listens that something is not on this machine and is on its way.

    Args:
        what: the thing.
        source: the place that it comes from.
    """
    listener = _LISTENER.get()
    if listener is not None:
        listener(f"fetching {what} from {source} ...")
