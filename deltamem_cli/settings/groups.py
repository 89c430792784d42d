"""The config groups and their options: what there is to choose from."""

from __future__ import annotations

from typing import Any

from deltamem_cli.settings.paths import config_folder

__all__ = ["BASE", "about", "groups", "method_settings", "option", "options"]

BASE = "_"
"""Beginning of the name of a yaml that is no choice: others have it in their lists of defaults."""


def groups() -> list[str]:
    """The config groups: the folders of the configuration."""
    return sorted(path.name for path in config_folder().iterdir() if path.is_dir())


def options(group: str) -> list[str]:
    """The choices of a config group: its yaml files, less the bases that others stand on."""
    files = (config_folder() / group).glob("*.yaml")
    return sorted(path.stem for path in files if not path.stem.startswith(BASE))


def option(group: str, name: str) -> Any:
    """The yaml of an option, as it is written."""
    from omegaconf import OmegaConf

    return OmegaConf.load(config_folder() / group / f"{name}.yaml")


def method_settings(name: str) -> Any:
    """The yaml of a method, as it is written."""
    return option("method", name)


def about(group: str, name: str) -> str:
    """The comment at the top of an option's yaml, or on its only line."""
    first = (config_folder() / group / f"{name}.yaml").read_text(encoding="utf-8").splitlines()[0]
    return first.partition("#")[2].strip()
