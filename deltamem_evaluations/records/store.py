"""``samples.jsonl``: one line per answered sample, appended and flushed as it finishes.

A process may die at any moment. What it leaves behind is a file of whole lines and perhaps one
broken last line, which the next run drops; nothing else is ever rewritten.
"""

from __future__ import annotations

import errno
import fcntl
import gzip
import os
import stat
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from deltamem_base.faults import CannotWrite, Fault, InvalidData, Partial
from deltamem_base.whole_files import cannot_write, why
from deltamem_evaluations.records.origins import Numerics, made_here
from deltamem_evaluations.records.sample_line import SampleLine, line_text, parse_lines

__all__ = ["PACKED", "SAMPLES", "SampleStore", "packed", "read_samples"]

SAMPLES = "samples.jsonl"
"""The file of a run folder that holds them."""
PACKED = f"{SAMPLES}.gz"
"""The same file packed, as published runs have it."""
LARGEST = 2**29
"""Most bytes that a packed file is unpacked to: more is no file of answers."""


class SampleStore:
    """The samples of one run, for one writing process at a time."""

    def __init__(
        self, folder: Path, *, key: str, numerics: Mapping[str, str] | None = None
    ) -> None:
        """Open or begin the samples of a run.

        Args:
            folder: the run's own.
            key: hash of everything that decides an answer; a line with another is refused.
            numerics: fields of :class:`Numerics` that new answers are made with; every line keeps
                those of its own making.

        Raises:
            Fault: another process writes here.
            Partial: the folder cannot be written.
            CannotWrite: the file is a link or another user's.
            InvalidData: a damaged line, or samples of another configuration.
        """
        self.path, self.key = folder / SAMPLES, key
        self.origin = made_here(Numerics(**(numerics or {})))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.file = _open(self.path)
        except OSError as fault:
            closed = cannot_write(f"the run folder {folder}", fault)
            raise Partial(f"{closed}: {closed.remedy} and run the same command again") from fault
        try:
            _lock(self.file, self.path)
            self.lines = {line.id: line for line in self._recover()}
        except Exception:
            os.close(self.file)
            raise

    def __enter__(self) -> SampleStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.file)

    def append(self, lines: Sequence[SampleLine]) -> None:
        """Add lines and have them on the disk before returning.

        Raises:
            InvalidData: a value that no line may hold, such as a score above 1.
            Partial: they cannot be written; what was written before is kept.
        """
        content = "".join(map(line_text, lines)).encode()
        self.check_in_place()
        end = os.lseek(self.file, 0, os.SEEK_END)
        try:
            if os.write(self.file, content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self.file)
        except OSError as fault:
            os.ftruncate(self.file, end)
            full = cannot_write(self.path, fault)
            raise Partial(
                f"{full}; the {len(self.lines)} samples before are kept: {full.remedy} and run the "
                "same command again"
            ) from fault
        self.lines.update({line.id: line for line in lines})

    def check_in_place(self) -> None:
        """Make sure that the file is still the one in the run's folder.

        Raises:
            Partial: it was removed or replaced, and with it the answers.
        """
        try:
            found = os.lstat(self.path)
        except OSError:
            found = None
        own = os.fstat(self.file)
        if found is None or (found.st_dev, found.st_ino) != (own.st_dev, own.st_ino):
            raise Partial(
                f"{self.path} was removed or replaced during the run, and its answers are lost: "
                "run the same command again"
            )

    def _recover(self) -> Sequence[SampleLine]:
        with os.fdopen(self.file, "rb", closefd=False) as file:
            file.seek(0)
            content = file.read()
        whole = content.rfind(b"\n") + 1
        lines = parse_lines(content[:whole], self.path, key=self.key)
        if whole < len(content):
            os.ftruncate(self.file, whole)
        return lines


def _open(path: Path) -> int:
    """A descriptor for reading and appending to a regular file of this user, made where missing.

    Raises:
        CannotWrite: another kind of file, such as a link, or another user's.
        OSError: it cannot be opened.
    """
    refused = CannotWrite(
        f"{path} is a link or not a file of yours, and is not written to: move it away, or name "
        "another folder with runs_dir=FOLDER"
    )
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        opened = os.open(path, flags, 0o666)
    except OSError as fault:
        raise (refused if fault.errno in (errno.ELOOP, errno.ENXIO) else fault) from None
    found = os.fstat(opened)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
        os.close(opened)
        raise refused
    return opened


def _lock(file: int, path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as fault:
        raise Fault(f"another process is writing {path}") from fault


def read_samples(folder: Path, *, key: str | None = None) -> Sequence[SampleLine]:
    """The answered samples of a run, packed or not.

    Args:
        folder: the run's own.
        key: of the run; None takes that of the first line.

    Raises:
        InvalidData: no such file, or a line that is not a sample of the run.
    """
    path = folder / SAMPLES
    try:
        if (folder / PACKED).is_file() and not path.exists():
            path = folder / PACKED
            content = _unpacked(path)
        else:
            content = path.read_bytes()
    except (OSError, EOFError, zlib.error) as fault:
        raise InvalidData(f"no samples in {folder}: {why(fault)}") from fault
    return parse_lines(content[: content.rfind(b"\n") + 1], path, key=key)


def packed(content: bytes) -> bytes:
    """The bytes of a packed file, the same whenever and wherever it is made."""
    return gzip.compress(content, compresslevel=9, mtime=0)


def _unpacked(path: Path) -> bytes:
    """The content of a packed file.

    Raises:
        InvalidData: more than any file of answers has.
        OSError: it cannot be read.
    """
    with gzip.open(path, "rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise InvalidData(
            f"{path} holds more than {LARGEST:,} bytes: no file of answers is so large"
        )
    return content
