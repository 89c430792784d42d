"""Files that this user alone can have written: what is kept to be run again, in any folder."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from deltamem_base.digests import sha256_of
from deltamem_base.faults import Unavailable
from deltamem_base.whole_files import write_text

__all__ = ["is_sealed", "own_folder", "seal"]

OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def own_folder(inside: Path) -> Path:
    """A folder of this user's in a folder that others may write to; made where it is missing.

    Raises:
        Unavailable: what stands there is no folder, is another user's, or is open to others.
        OSError: it cannot be made.
    """
    folder = inside / f"deltamem-{os.geteuid()}"
    inside.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or not _is_own(found):
        raise Unavailable(f"{folder} belongs to another user, or others may write to it: remove it")
    return folder


def seal(path: Path) -> None:
    """Write the sha256 of a file beside it, for :func:`is_sealed`."""
    write_text(_seal_of(path), sha256_of(path))


def is_sealed(path: Path) -> bool:
    """Whether a file is whole, as this user sealed it, and nobody else can have changed it.

    Args:
        path: a file in an :func:`own_folder`; a link is never one.
    """
    try:
        both = [place.lstat() for place in (path, _seal_of(path))]
        if not all(stat.S_ISREG(found.st_mode) and _is_own(found) for found in both):
            return False
        return _seal_of(path).read_bytes() == sha256_of(path).encode()
    except OSError:
        return False


def _is_own(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & OTHERS_MAY_WRITE


def _seal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
