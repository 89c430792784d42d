"""All printing. Results go to stdout; notes and progress to stderr, a bar only on a terminal.

Whatever is printed may hold text from files and models: control characters in it are shown, not
sent to the terminal.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from deltamem_base.excerpts import without_middle
from deltamem_base.printable import printable

if TYPE_CHECKING:
    from deltamem_evaluations.reporting import Table

__all__ = ["Console", "Ticker"]

PLAIN_SECONDS = 15.0
"""Between two lines of progress where there is no terminal."""
LONGEST = 2000
"""Characters of an error's sentence."""


class Ticker(Protocol):
    """Moves a progress display."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """``done`` of ``total``, with what there is to say."""


@dataclass(frozen=True, kw_only=True)
class Console:
    """How loud a verb is, and whether its result is read by a person or a program."""

    quiet: bool = False
    as_json: bool = False

    def result(self, text: str) -> None:
        """The result of a verb, for a person."""
        if not self.as_json:
            sys.stdout.write(printable(text.rstrip("\n")) + "\n")
            sys.stdout.flush()

    def table(self, table: Table, *, title: str | None = None) -> None:
        """A table of results, for a person: in parts where the terminal is too narrow for it."""
        from deltamem_evaluations.reporting import markdown

        if not self.as_json:
            self.result(markdown(table, title=title, width=self.width))

    @property
    def width(self) -> int | None:
        """Characters of a line of the terminal; None where results go to a file or a program."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def stream(self, text: str) -> None:
        """A piece of a result that is still growing, for a person."""
        if not self.as_json:
            sys.stdout.write(printable(text))
            sys.stdout.flush()

    def ask(self, prompt: str, *, line: int) -> str | None:
        """A line from whoever sits there, or from a pipe, which sees no prompt; None at its end.

        Args:
            prompt: shown where somebody sits.
            line: number of the line, for the message.

        Raises:
            InvalidData: bytes that are no UTF-8.
        """
        from deltamem_base.json_text import decode

        try:
            raw = self._typed(prompt) if self.interactive else sys.stdin.buffer.readline()
        except EOFError:
            self.note("")
            return None
        if not raw:
            return None
        return decode(raw, where="the input", line=line).rstrip("\r\n")

    def _typed(self, prompt: str) -> bytes:
        """Text that a person typed before the next line feed, which is put back."""
        with suppress(ImportError):
            import readline  # noqa: F401  # line editing for input()
        if not sys.stdout.isatty():
            sys.stderr.write(prompt)
            sys.stderr.flush()
            prompt = ""
        try:
            return f"{input(prompt)}\n".encode(errors="surrogateescape")
        except UnicodeDecodeError as fault:
            return bytes(fault.object)

    @property
    def interactive(self) -> bool:
        """Whether a person types."""
        return sys.stdin.isatty()

    def json(self, content: Mapping[str, object]) -> None:
        """The result of a verb, for a program: one document."""
        if self.as_json:
            spelt = not (sys.stdout.encoding or "").lower().startswith("utf")
            text = json.dumps(content, indent=2, ensure_ascii=spelt, default=str)
            sys.stdout.write(printable(text) + "\n")
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """Something worth knowing."""
        if not self.quiet:
            sys.stderr.write(printable(text.rstrip("\n")) + "\n")
            sys.stderr.flush()

    def error(self, text: str) -> None:
        """Why the verb ends here: one line, whatever of a file or a library stands in it."""
        line = without_middle(" ".join(text.split("\n")), longest=LONGEST)
        sys.stderr.write(f"error: {printable(line)}\n")
        sys.stderr.flush()

    def wrote(self, *paths: object) -> None:
        """Say which files a verb wrote: its last lines, but for advice."""
        for path in paths:
            self.note(f"wrote {path}")

    def advise(self, *commands: str) -> None:
        """Say what a person may want to do now, and nothing where no person reads it."""
        if _on_terminal() and not self.as_json:
            for number, command in enumerate(commands):
                self.note(f"{'next:' if number == 0 else '  or:'} {command}")

    @contextmanager
    def progress(self, label: str) -> Iterator[Ticker]:
        """A progress display while the block runs."""
        if self.quiet:
            yield lambda done, total, note="": None
        elif _on_terminal():
            yield from _bar(label)
        else:
            yield _plain(label, self)


def _on_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


def _bar(label: str) -> Iterator[Ticker]:
    from rich.console import Console as RichConsole
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=RichConsole(stderr=True), transient=True) as progress:
        task = progress.add_task(printable(label), total=None, note="")

        def tick(done: int, total: int, note: str = "") -> None:
            progress.update(task, completed=done, total=total, note=printable(note))

        yield tick


def _plain(label: str, console: Console) -> Ticker:
    """A line now and then, with the rate and the time that is left."""
    started = last = time.monotonic()
    first: int | None = None

    def tick(done: int, total: int, note: str = "") -> None:
        nonlocal last, first
        first = done if first is None else first
        now = time.monotonic()
        if done < total and now - last < PLAIN_SECONDS:
            return
        last = now
        rate = (done - first) / max(now - started, 1e-9)
        left = f", {(total - done) / rate:.0f} s left" if rate and done < total else ""
        console.note(f"{label}: {done}/{total}{left}{', ' + note if note else ''}")

    return tick
