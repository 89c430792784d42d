"""``samples.jsonl``: one line per answered sample, appended and flushed as it finishes.

A process may die at any moment. What it leaves behind is a file of whole lines and perhaps one
broken last line, which the next run drops; nothing else is ever rewritten.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from deltamem_base.faults import CannotWrite, Fault, InvalidData, Partial
from evaluations.records.origins import ORIGIN, made_here

__all__ = ["SAMPLES", "SampleStore", "read_samples"]

SAMPLES = "samples.jsonl"
"""The file of a run folder that holds them."""


class SampleStore:
    """The samples of one run, for one writing process at a time."""

    def __init__(
        self, folder: Path, *, key: str, numerics: Mapping[str, Any] | None = None
    ) -> None:
        """Open or begin the samples of a run.

        Args:
            folder: of the run.
            key: hash of everything that decides an answer; a line with another is refused.
            numerics: the kinds of numbers, attention and device that new answers are made with;
                every line keeps those of its own making.

        Raises:
            Fault: another process writes here.
            CannotWrite: the folder cannot be written.
            InvalidData: a damaged line, or samples of another configuration.
        """
        self.path, self.key = folder / SAMPLES, key
        self._origin = made_here(numerics or {})
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab+", buffering=0)
        except OSError as fault:
            raise CannotWrite(f"the run folder {folder} cannot be written: {fault}") from fault
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as fault:
            self._file.close()
            raise Fault(f"another process is writing {self.path}") from fault
        try:
            self.rows = {row["id"]: row for row in self._recover()}
        except InvalidData:
            self._file.close()
            raise

    def __enter__(self) -> SampleStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add lines and have them on the disk before returning.

        Raises:
            Partial: they cannot be written; what was written before is kept.
        """
        stamp = {"key": self.key, ORIGIN: self._origin}
        stamped = [{**stamp, **row} for row in rows]
        content = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in stamped).encode()
        end = self._file.seek(0, os.SEEK_END)
        try:
            if self._file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as fault:
            os.truncate(self.path, end)
            raise Partial(
                f"{self.path} cannot be written ({fault.strerror}); the {len(self.rows)} samples "
                "before are kept: make room and run the same command again"
            ) from fault
        self.rows.update({row["id"]: row for row in stamped})

    def _recover(self) -> list[dict[str, Any]]:
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self._file.truncate(whole)
        rows = _parse(content[:whole], self.path)
        for number, row in enumerate(rows, 1):
            if row.get("key") != self.key:
                raise InvalidData(
                    f"{self.path}, line {number} belongs to another configuration: move the "
                    "folder away, or name another with runs_dir=FOLDER"
                )
        return rows


def read_samples(folder: Path) -> list[dict[str, Any]]:
    """The answered samples of a run.

    Raises:
        InvalidData: no such file, or a line that is not a sample.
    """
    path = folder / SAMPLES
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise InvalidData(f"no samples in {folder}: {fault.strerror}") from fault
    return _parse(content[: content.rfind(b"\n") + 1], path)


def _parse(content: bytes, path: Path) -> list[dict[str, Any]]:
    rows = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError as fault:
            raise InvalidData(f"{path}, line {number} is not JSON: {fault}") from fault
        if not isinstance(row, dict) or "id" not in row:
            raise InvalidData(f"{path}, line {number} is not a sample")
        rows.append(row)
    return rows
