"""Where this user keeps what can always be made again."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["user_cache"]


def user_cache() -> Path:
    """The folder ``deltamem`` in ``$XDG_CACHE_HOME`` or ``~/.cache``; it may not be there yet."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "deltamem"
