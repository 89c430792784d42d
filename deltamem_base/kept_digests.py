"""Digests of large files, read once and then kept by what changes whenever a file does."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from deltamem_base.digests import sha256_of
from deltamem_base.faults import CannotWrite
from deltamem_base.user_cache import user_cache
from deltamem_base.whole_files import atomically

__all__ = ["kept_digest", "kept_sha256"]

JUST_NOW = 2.0
"""Seconds within which a file may change again without its times telling."""
DIGEST = re.compile("[0-9a-f]{64}")


def kept_digest(files: Sequence[Path], kind: str, read: Callable[[Sequence[Path]], str]) -> str:
    """A digest of files, out of the user's cache if they have not changed since it was made.

    Args:
        files: that are read.
        kind: folder of the cache for digests of this kind.
        read: makes the digest, 64 hexadecimal digits.
    """
    kept = user_cache() / kind / _key(files)
    with suppress(OSError, UnicodeDecodeError):
        known = kept.read_text(encoding="ascii").strip()
        if DIGEST.fullmatch(known):
            return known
    found = read(files)
    settled = time.time() - max(path.stat().st_ctime for path in files) > JUST_NOW
    if settled:
        # a cache that cannot be written costs time and nothing else
        with suppress(CannotWrite), atomically(kept) as part:
            part.write_text(found + "\n", encoding="ascii")
    return found


def kept_sha256(path: Path) -> str:
    """sha256 of one file, kept until it changes."""
    return kept_digest([path], "digests", lambda files: sha256_of(files[0]))


def _key(files: Iterable[Path]) -> str:
    """Hash of what changes whenever one of the files does."""
    stats = [path.stat() for path in files]
    told = [[s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns] for s in stats]
    return hashlib.sha256(repr(sorted(told)).encode()).hexdigest()
