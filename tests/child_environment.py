"""The environment of a process that a test starts."""

from __future__ import annotations

import os
import sys

__all__ = ["child_environment"]


def child_environment(**variables: str) -> dict[str, str]:
    """This process's variables, one thread, the modules that are found here, and ``variables``."""
    path = os.pathsep.join(sys.path)
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path, **variables}
