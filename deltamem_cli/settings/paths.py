"""Paths: of our yaml files, and the settings that are paths: known by name, not by their looks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = [
    "CONTENT",
    "adapters_folder",
    "config_folder",
    "home",
    "last_part",
    "leads_outside",
    "names_a_path",
    "with_homes",
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
CALLED = re.compile(r"(.*[._])?(path|file|folder|dir)")
"""Whole name of a setting that is a path, of a class of ours or of a plug-in."""
OUTSIDE = re.compile(r"[/~]|[A-Za-z]:[\\/]|file:|(.*[/\\])?\.\.([/\\]|$)")
"""Beginning of a text that may be a path out of the working folder."""


def config_folder() -> Path:
    """``conf`` beside the packages in a checkout, inside this one in an installation."""
    installed = Path(__file__).parents[1] / "conf"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "conf"


def adapters_folder() -> Path:
    """``adapters`` beside the packages in a checkout, inside this one in an installation."""
    installed = Path(__file__).parents[1] / "adapters"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "adapters"


def home(path: str) -> str:
    """A path with ``~`` as the home folder that it stands for."""
    return str(Path(path).expanduser()) if path.startswith("~") else path


def names_a_path(key: str) -> bool:
    """Whether a setting is a file or a folder, by its whole name; any other text is just text."""
    tops = (*CONTENT, *FOLDERS)
    return CALLED.fullmatch(key) is not None or any(
        key == top or key.startswith(f"{top}.") for top in tops
    )


def with_homes(tree: Any, above: str = "") -> Any:
    """A tree of settings with home folders written out in all that are paths."""
    return _of_paths(tree, home, above)


def without_folders(tree: Any, above: str = "") -> Any:
    """A tree of settings whose paths out of the working folder are cut to their last part.

    Args:
        tree: plain values by the names of settings.
        above: whole name of the tree, with a point behind it.
    """
    return _of_paths(tree, last_part, above)


def _of_paths(tree: Any, change: Callable[[str], str], above: str) -> Any:
    def changed(key: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: changed(f"{key}.{name}", part) for name, part in value.items()}
        if isinstance(value, list):
            return [changed(key, part) for part in value]
        return change(value) if isinstance(value, str) and names_a_path(key) else value

    return {name: changed(f"{above}{name}", value) for name, value in tree.items()}


def leads_outside(text: str) -> bool:
    """Whether a text, taken as a path, is absolute or may leave the working folder."""
    return OUTSIDE.match(text) is not None


def last_part(path: str) -> str:
    """A path out of the working folder by its last part: it names folders of one machine."""
    if not leads_outside(path):
        return path
    last = re.split(r"[/\\]", path.rstrip("/\\"))[-1]
    return "" if leads_outside(last) else last


def without_machine(path: Path) -> str:
    """A path below the working folder as it is from there; of another its last two parts."""
    here = Path.cwd()
    whole = Path(os.path.normpath(here / path))
    return str(whole.relative_to(here) if whole.is_relative_to(here) else Path(*whole.parts[-2:]))
