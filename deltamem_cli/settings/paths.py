"""Settings that name files and folders: a home folder is written out, wherever one is taken."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

__all__ = ["CONTENT", "expand_paths", "home", "without_machine"]

CONTENT = (
    "adapter",
    "bench.entities",
    "bench.path",
    "bench.templates",
    "data.path",
    "method.compressor",
    "method.embedder",
    "model.adapters",
    "model.id",
    "training.data.path",
)
"""Files and weights: what they hold decides what comes out, not what they are called."""
FOLDERS = ("runs_dir", "results_dir", "state")
"""Where things go, and what a conversation goes on from."""


def home(path: str) -> str:
    """A path with ``~`` as the home folder that it stands for."""
    return str(Path(path).expanduser()) if path.startswith("~") else path


def expand_paths(config: Any) -> None:
    """Write home folders out in all settings of a config that may be paths."""
    from omegaconf import OmegaConf, open_dict, read_write

    with read_write(config), open_dict(config):
        for name in (*FOLDERS, *CONTENT):
            value = OmegaConf.select(config, name)
            if isinstance(value, str) and value.startswith("~"):
                OmegaConf.update(config, name, home(value))


def without_machine(path: Path) -> str:
    """A path below the working folder as it is from there; of another its last two parts."""
    here = Path.cwd()
    whole = Path(os.path.normpath(here / path))
    return str(whole.relative_to(here) if whole.is_relative_to(here) else Path(*whole.parts[-2:]))
