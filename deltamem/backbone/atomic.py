"""Files that are there whole or not at all, whenever the process dies or the disk fills."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from deltamem.errors import CannotWrite

__all__ = ["atomically", "sync", "why"]


@contextmanager
def atomically(path: Path) -> Iterator[Path]:
    """A file to write in the block, which then takes the place of ``path`` by one rename.

    The folder is made where it is missing, and the bytes are on the disk before the rename.

    Raises:
        CannotWrite: of an OSError in the block; what was at ``path`` is untouched, and the part is
            removed, for it takes room.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        sync(part)
        part.replace(path)
    except BaseException as fault:
        with suppress(OSError):
            part.unlink()
        if isinstance(fault, OSError):
            raise CannotWrite(f"{path} cannot be written ({why(fault)})") from fault
        raise


def sync(path: Path) -> None:
    """Have the bytes of a file on the disk before going on."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def why(fault: OSError | SafetensorError) -> str:
    """The system's words for a fault, without the number and the path that Python adds."""
    return getattr(fault, "strerror", None) or str(fault)
