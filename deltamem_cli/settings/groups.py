"""The config groups and their options, ours and those of plug-ins: what there is to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deltamem_base.excerpts import in_a_line
from deltamem_base.plugins import plugin_configs
from deltamem_cli.errors import UsageError
from deltamem_cli.settings.paths import config_folder

__all__ = ["BASE", "about", "groups", "method_settings", "option", "options", "unreadable"]

BASE = "_"
"""Beginning of the name of a yaml that is no choice: others have it in their lists of defaults."""


def groups() -> list[str]:
    """The config groups: the folders of our configuration, to which a plug-in adds none."""
    return sorted(path.name for path in config_folder().iterdir() if path.is_dir())


def options(group: str) -> list[str]:
    """The choices of a config group: its yaml files, less the bases that others stand on.

    Raises:
        UsageError: two files of one name.
    """
    return sorted(name for name in _files(group) if not name.startswith(BASE))


def option(group: str, name: str) -> Any:
    """The yaml of an option, as it is written.

    Raises:
        UsageError: it is no yaml.
    """
    from omegaconf import OmegaConf
    from yaml import YAMLError

    try:
        return OmegaConf.load(_files(group)[name])
    except YAMLError as fault:
        raise UsageError(unreadable(fault)) from fault


def unreadable(fault: Exception) -> str:
    """The sentence for a file of a plug-in that is no yaml, which the fault names."""
    return f"a yaml of a plug-in cannot be read: {in_a_line(str(fault))}"


def method_settings(name: str) -> Any:
    """The yaml of a method, as it is written."""
    return option("method", name)


def about(group: str, name: str) -> str:
    """The comment at the top of an option's yaml, or on its only line."""
    first = _files(group)[name].read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    return first.partition("#")[2].strip()


def _files(group: str) -> dict[str, Path]:
    """Option -> its yaml. An option that stands twice is none: each would be taken for the other.

    Raises:
        UsageError: two files of one name.
    """
    files: dict[str, Path] = {}
    for folder in (config_folder(), *plugin_configs()):
        for path in sorted((folder / group).glob("*.yaml")):
            if path.stem in files:
                raise UsageError(
                    f"{group}={path.stem} is defined in {files[path.stem]} and in {path}: rename "
                    "one"
                )
            files[path.stem] = path
    return files
