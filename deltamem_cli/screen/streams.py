"""The three streams of the process, whatever they are: closed, full, or without our letters.

A stream that is closed when the process begins would give its number to the next file that is
opened, and a library that prints would then print into that file. Here it becomes one of which
nothing comes, or that nobody reads.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from deltamem_base.whole_files import cannot_write

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["let_go", "take_streams"]

STDIN, STDOUT, STDERR = range(3)


def take_streams() -> None:
    """Take standard input, output and error in hand, before anything is opened or printed.

    A letter that a terminal's encoding lacks is spelt out by its number. Closed input is at its
    end, closed output is one that nobody reads, closed error takes everything and keeps nothing.
    """
    # output last: its pipe must not take the number of another stream
    for number in (STDIN, STDERR, STDOUT):
        _fill(number)
    if sys.stdin is None:
        sys.stdin = open(STDIN, closefd=False, encoding="utf-8")  # noqa: SIM115
    sys.stdout = _text(_Output(STDOUT, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Notes(STDERR, "w", closefd=False), sys.stderr)


def let_go() -> None:
    """Drop what a stream holds and does not take, of which Python would speak at its end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
            with suppress(Exception):
                stream.flush()


class _Output(io.FileIO):
    """Standard output, of which nothing may be lost without a word."""

    def write(self, content: ReadableBuffer, /) -> int:
        try:
            return super().write(content)
        except BrokenPipeError:
            raise
        except OSError as fault:
            raise cannot_write("the output", fault) from fault


class _Notes(io.FileIO):
    """Standard error: where it takes nothing, the exit code says what there is to say."""

    def write(self, content: ReadableBuffer, /) -> int:
        try:
            return super().write(content)
        except BrokenPipeError:
            raise
        except OSError:
            return memoryview(content).nbytes


def _fill(number: int) -> None:
    """Give the number of a closed stream a file; the stream below it is open or comes later."""
    try:
        os.fstat(number)
    except OSError:
        if number == STDOUT:
            _, opened = os.pipe()  # whose reading end is 1, until the next line
        else:
            opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _text(file: io.FileIO, before: object) -> io.TextIOWrapper:
    """Text in the encoding of the stream before, a line at a time on a terminal."""
    return io.TextIOWrapper(
        io.BufferedWriter(file),
        encoding=getattr(before, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=file.isatty(),
    )
