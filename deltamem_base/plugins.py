"""Classes by their dotted names: only those of our packages, and of plug-ins that are installed.

A plug-in is a package whose metadata has an entry point of the group ``deltamem.plugins``::

    [project.entry-points."deltamem.plugins"]
    my_lab = "my_lab_memories"

Whatever lies in the package on the right may then be named by ``_target_``. Installing is what says
that the code is trusted; no setting and no file can.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from deltamem_base.faults import InvalidInput

__all__ = ["GROUP", "OURS", "named_object", "trusted_packages"]

OURS = ("deltamem_base", "deltamem", "baselines", "evaluations", "deltamem_cli")
GROUP = "deltamem.plugins"
GROUPS = (GROUP, "deltamem.writers")
"""Names of the entry points that register packages: anything of them, and writers by name."""


def trusted_packages() -> tuple[str, ...]:
    """Our own packages, then those that plug-ins register, by name."""
    registered = {point.module for group in GROUPS for point in entry_points(group=group)}
    return (*OURS, *sorted(registered - set(OURS)))


def named_object(name: str) -> Any:
    """The class or function of a dotted name, such as ``deltamem.writers.TokenWriter``.

    Raises:
        InvalidInput: it lies outside our packages and the registered plug-ins, or is not there.
    """
    packages = trusted_packages()
    if not _within(name, packages):
        raise InvalidInput(
            f"{name!r} is not a class of {', '.join(packages)}; a package of your own "
            f"is registered by an entry point of the group {GROUP} (CONTRIBUTING.md)"
        )
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
def _found(name: str) -> Any:
    """An attribute of the longest part of a name that is a module."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        try:
            found: Any = import_module(module)
        except ModuleNotFoundError as fault:
            if fault.name is None or not _within(module, (fault.name,)):
                raise  # a package that the module needs
            continue
        except (ValueError, TypeError):  # empty parts
            break
        for part in parts[length:]:
            found = getattr(found, part, None)
        if callable(found):
            return found
        break
    raise InvalidInput(f"there is no class or function {name!r}")
