"""``train.jsonl``: one line for each optimiser step, in order, whatever happened in between.

A process may die at any moment. It leaves whole lines, perhaps of steps that no checkpoint holds,
and perhaps one torn last line; a run that goes on cuts these off and writes them anew.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from deltamem.training.report import StepReport
from deltamem_base.whole_files import cannot_write

__all__ = ["StepLog"]


class StepLog:
    """The log of one run, for one writing process at a time."""

    def __init__(self, path: Path) -> None:
        """``path`` of the file; it need not be there."""
        self.path = path

    def resume(self, step: int) -> None:
        """Cut off what does not belong to the steps up to ``step``.

        Raises:
            CannotWrite: the file cannot be changed.
        """
        if not self.path.is_file():
            return
        content = self.path.read_bytes()
        kept = 0
        for line in content.splitlines(keepends=True):
            row = _parsed(line)
            if not line.endswith(b"\n") or (row is not None and row["step"] > step):
                break
            kept += len(line)
        if kept < len(content):
            try:
                os.truncate(self.path, kept)
            except OSError as fault:
                raise cannot_write(self.path, fault) from fault

    def append(self, report: StepReport) -> None:
        """Add a step and have it on the disk before returning; what is None is left out.

        What a monitor measured is for trackers.

        Raises:
            CannotWrite: it cannot be written; the lines before are untouched.
        """
        row = {name: value for name, value in vars(report).items() if value is not None}
        del row["measured"]
        line = (json.dumps(row) + "\n").encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab", buffering=0) as file:
                end = file.tell()
                try:
                    if file.write(line) != len(line):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    os.fsync(file.fileno())
                except OSError:
                    with suppress(OSError):
                        file.truncate(end)
                    raise
        except OSError as fault:
            raise cannot_write(self.path, fault) from fault

    def known(self) -> dict[str, object]:
        """The latest value of everything that was logged; a damaged line is passed over."""
        known: dict[str, object] = {}
        if self.path.is_file():
            for line in self.path.read_bytes().splitlines():
                known.update(_parsed(line) or {})
        return known


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A line of ours, or None."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None
