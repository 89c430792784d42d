"""Files that are there whole or not at all, whenever the process dies or the disk fills.

The bytes go into a part beside the file, which takes its place by one rename. The part is made by
this process alone under a name that nobody can foresee, so that no link in a shared folder is
followed and no other process's part is written to.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from deltamem_base.faults import CannotWrite

__all__ = [
    "atomically",
    "cannot_write",
    "folder_beside",
    "sync",
    "why",
    "write_bytes",
    "write_json",
    "write_text",
]

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the faults that room on the disk mends."""

MACHINE = int(hashlib.sha256(platform.node().encode()).hexdigest(), 16) % 10**6
"""Short name of this machine: a process number means nothing on another."""
PART = re.compile(rf"\.(?P<name>.+)\.{MACHINE}-(?P<pid>[0-9]+)-[0-9]+\.part")


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """A file to write in the block, which then takes the place of ``path`` by one rename.

    The folder is made where it is missing, and the bytes are on the disk before the rename. Parts
    of this file that dead processes of this machine left behind are removed.

    Raises:
        CannotWrite: of an OSError in the block; what was at ``path`` is untouched, and the part is
            removed, for it takes room.
    """
    part = _part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_orphans(path)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
        yield part
        sync(part)
        part.replace(path)
    except BaseException as fault:
        with suppress(OSError):
            part.unlink()
        if isinstance(fault, OSError):
            raise cannot_write(path, fault) from fault
        raise


@contextmanager
def folder_beside(path: Path) -> Iterator[Path]:
    """An empty folder of this process's beside ``path``, which is gone after the block.

    For libraries that write files themselves; what is whole is then renamed out of it. Such folders
    of dead processes of this machine are removed.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_orphans(path)
    folder = _part_of(path)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_json(path: Path, content: Mapping[str, object]) -> Path:
    """Write a JSON file with an indent of two; see :func:`atomically`."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return write_text(path, text + "\n")


def write_text(path: Path, text: str) -> Path:
    """Write a text file in UTF-8; see :func:`atomically`."""
    return write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file; see :func:`atomically`."""
    with atomically(path) as part:
        part.write_bytes(content)
    return path


def sync(path: Path) -> None:
    """Have the bytes of a file on the disk before going on."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def why(fault: Exception) -> str:
    """The system's words for a fault, without the number and the path that Python adds."""
    return getattr(fault, "strerror", None) or str(fault)


def cannot_write(what: object, fault: Exception) -> CannotWrite:
    """The fault of something that cannot be written, in the system's words, and what mends it.

    Args:
        what: a path or another name of it.
        fault: an OSError, or the exception of a library that holds the system's words.
    """
    words = why(fault)
    made = CannotWrite(f"{what} cannot be written ({words})")
    if any(os.strerror(number) in words for number in NO_ROOM):
        made.remedy = "make room"
    return made


def _part_of(path: Path) -> Path:
    """A name that nobody can foresee, and that tells which process made it."""
    return path.with_name(f".{path.name}.{MACHINE}-{os.getpid()}-{secrets.randbelow(10**12)}.part")


def _remove_orphans(path: Path) -> None:
    for place in path.parent.iterdir():
        found = PART.fullmatch(place.name)
        if found and found["name"] == path.name and not _runs(int(found["pid"])):
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
                continue
            with suppress(OSError):
                place.unlink()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
