"""Plug-ins: code and yaml of others that the user has put in place, and classes by dotted names.

There are two ways to put something in place, and no third. A package whose metadata has an entry
point of the group ``deltamem.plugins`` is installed::

    [project.entry-points."deltamem.plugins"]
    my_lab = "my_lab_memories"

Or the variable ``DELTAMEM_PATH`` names folders, as ``PYTHONPATH`` does. Of either, the yaml files
in its ``conf`` (``my_lab_memories/conf/bench/mine.yaml``, ``FOLDER/conf/bench/mine.yaml``) are
options of our config groups, and ``_target_`` may name whatever its modules define. No setting and
no file can say that code is trusted; a record may at most name an option that is in place.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from deltamem_base.faults import InvalidInput, first_line

__all__ = [
    "GROUP",
    "OURS",
    "VARIABLE",
    "make_importable",
    "named_object",
    "plugin_configs",
    "trusted_packages",
]

OURS = ("deltamem_base", "deltamem", "deltamem_baselines", "deltamem_evaluations", "deltamem_cli")
VARIABLE = "DELTAMEM_PATH"
GROUP = "deltamem.plugins"
GROUPS = (GROUP, "deltamem.writers")
"""Names of the entry points that register packages: anything of them, and writers by name."""


def trusted_packages() -> tuple[str, ...]:
    """Our own packages, then those that plug-ins bring, by name.

    Raises:
        InvalidInput: ``DELTAMEM_PATH`` names what is no folder.
    """
    registered = {module for group in GROUPS for module in _registered(group, tuple(sys.path))}
    return (*OURS, *sorted((registered | set(_in_folders())) - set(OURS)))


def plugin_configs() -> tuple[Path, ...]:
    """Folders of yaml that plug-ins bring; nothing is imported.

    Raises:
        InvalidInput: ``DELTAMEM_PATH`` names what is no folder.
    """
    make_importable()
    packages = [
        place for module in _registered(GROUP, tuple(sys.path)) for place in _places(module)
    ]
    configs = (place / "conf" for place in (*_folders(), *packages))
    return tuple(dict.fromkeys(folder for folder in configs if folder.is_dir()))


def make_importable() -> None:
    """Let the folders of ``DELTAMEM_PATH`` be imported from, behind all that is installed."""
    for folder in map(str, _folders()):
        if folder not in sys.path:
            sys.path.append(folder)


def named_object(name: str) -> Any:
    """The class or function of a dotted name, such as ``deltamem.writers.TokenWriter``.

    Raises:
        InvalidInput: it lies outside our packages and the plug-ins, is not there, or its plug-in
            cannot be imported.
    """
    packages = trusted_packages()
    if not _within(name, packages):
        raise InvalidInput(
            f"{name!r} is not a class of {', '.join(packages)}; a package of your own is "
            f"registered by an entry point of the group {GROUP}, or lies in a folder that "
            f"{VARIABLE} names (CONTRIBUTING.md)"
        )
    make_importable()
    _check_not_hidden(name.partition(".")[0])
    found = _found(name)
    # what a module of ours merely imports, such as torch, is not ours
    if not _within(str(getattr(found, "__module__", "")), packages):
        raise InvalidInput(
            f"{name!r} is not defined in {name.partition('.')[0]}, only imported there"
        )
    return found


def _within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@cache
def _registered(group: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Modules that entry points of a group name; ``path`` is where they are looked for."""
    return tuple(dict.fromkeys(point.module for point in entry_points(group=group)))


def _folders() -> list[Path]:
    """Folders that the user names; an empty name is none, not the working folder."""
    named = [name for name in os.environ.get(VARIABLE, "").split(os.pathsep) if name.strip()]
    folders = [Path(name).expanduser().absolute() for name in named]
    for folder in folders:
        if not folder.is_dir():
            raise InvalidInput(f"{VARIABLE} names {folder}, which is no folder")
    return folders


def _in_folders() -> dict[str, Path]:
    """Module or package -> its file or folder in a folder that the user names."""
    found: dict[str, Path] = {}
    for folder in _folders():
        for path in sorted(folder.iterdir()):
            if path.suffix == ".py" or (path / "__init__.py").is_file():
                found.setdefault(path.stem, path)
    return found


def _check_not_hidden(package: str) -> None:
    """Refuse a module of a folder whose name stands for another one, which no plug-in brings."""
    named = _in_folders().get(package)
    if named is None or package in OURS or package in _registered(GROUP, tuple(sys.path)):
        return
    origin = getattr(find_spec(package), "origin", None)
    if origin is None or not Path(origin).is_relative_to(named):
        raise InvalidInput(
            f"{named} cannot be a plug-in, because {package} is already the name of {origin}: give "
            "it another name"
        )


def _places(module: str) -> list[Path]:
    """The folders of a package, found without importing it."""
    top, *below = module.split(".")
    spec = find_spec(top)
    locations = (spec and spec.submodule_search_locations) or []
    return [Path(location, *below) for location in locations]


@cache
def _found(name: str) -> Any:
    """An attribute of the longest part of a name that is a module."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        try:
            found: Any = import_module(module)
        except ModuleNotFoundError as fault:
            if fault.name is None or not _within(module, (fault.name,)):
                raise _not_imported(module, fault) from fault  # a package that the module needs
            continue
        except (ValueError, TypeError):  # empty parts
            break
        except Exception as fault:
            raise _not_imported(module, fault) from fault
        for part in parts[length:]:
            found = getattr(found, part, None)
        if callable(found):
            return found
        break
    raise InvalidInput(f"there is no class or function {name!r}")


def _not_imported(module: str, fault: Exception) -> Exception:
    """The sentence for a plug-in that fails; a fault of our own code stays what it is."""
    if _within(module, OURS):
        return fault
    return InvalidInput(f"the plug-in {module} cannot be imported: {first_line(fault)}")
