"""Files that are there whole or not at all, whenever the process dies or the disk fills."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from evaluations.errors import CannotWrite

__all__ = ["write_bytes", "write_json", "write_text"]


def write_json(path: Path, content: Mapping[str, Any]) -> Path:
    """Write a JSON file; see :func:`write_bytes`."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return write_text(path, text + "\n")


def write_text(path: Path, text: str) -> Path:
    """Write a text file in UTF-8; see :func:`write_bytes`."""
    return write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file, the folder where it is missing included.

    Raises:
        CannotWrite: it cannot be written; what was there before is untouched.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as fault:
        with suppress(OSError):
            part.unlink()
        raise CannotWrite(f"{path} cannot be written ({fault.strerror})") from fault
    return path
