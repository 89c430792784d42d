"""Paths: of our yaml files, and in settings, where a home folder is written out."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = [
    "CONTENT",
    "FOLDERS",
    "config_folder",
    "expand_paths",
    "home",
    "leads_outside",
    "without_folders",
    "without_machine",
]

CONTENT = (
    "adapter",
    "bench.entities",
    "bench.excluding",
    "bench.path",
    "bench.templates",
    "data.path",
    "method.compressor",
    "method.embedder",
    "model.adapters",
    "model.gguf_file",
    "model.id",
    "training.data.path",
)
"""Files and weights: what they hold decides what comes out, not what they are called."""
FOLDERS = ("runs_dir", "results_dir", "state")
"""Settings that say where things go, or which state a conversation goes on from."""
OUTSIDE = re.compile(r"[/~]|[A-Za-z]:[\\/]|file:|(.*[/\\])?\.\.([/\\]|$)")
"""Beginning of a text that may be a path out of the working folder."""


def config_folder() -> Path:
    """``conf`` beside the packages in a checkout, inside this one in an installation."""
    installed = Path(__file__).parents[1] / "conf"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "conf"


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


def leads_outside(text: str) -> bool:
    """Whether a text, taken as a path, is absolute or may leave the working folder."""
    return OUTSIDE.match(text) is not None


def without_folders(value: Any) -> Any:
    """Paths out of the working folder by their last part: they name folders of one machine.

    Args:
        value: plain; mappings and lists are looked through.
    """
    if isinstance(value, Mapping):
        return {key: without_folders(v) for key, v in value.items()}
    if isinstance(value, list):
        return [without_folders(v) for v in value]
    if not isinstance(value, str) or not leads_outside(value):
        return value
    last = re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    return "" if leads_outside(last) else last


def without_machine(path: Path) -> str:
    """A path below the working folder as it is from there; of another its last two parts."""
    here = Path.cwd()
    whole = Path(os.path.normpath(here / path))
    return str(whole.relative_to(here) if whole.is_relative_to(here) else Path(*whole.parts[-2:]))
