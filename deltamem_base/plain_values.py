"""Settings out of a file are plain values: they name no class and refer to nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from deltamem_base.faults import InvalidData

__all__ = ["INTERPOLATION", "MARKER", "check_name", "check_plain"]

MARKER = re.compile(r"_\w+_")
"""Keys that tell Hydra what to call and how: ``_target_``, ``_partial_``, ``_args_`` and others."""
INTERPOLATION = "${"
"""The sign that makes OmegaConf follow a reference or call a resolver."""

NAME = re.compile(r"(?!\.)[\w+.-]+", re.ASCII)


def check_name(name: object, *, where: str, key: str) -> None:
    """Refuse a name out of a file that is more than a name, such as a path.

    Raises:
        InvalidData: it holds anything but letters, digits and ``_ + . -``, or begins with a dot.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidData(f"{where}: {key} is {name!r}, which is not a name")


def check_plain(content: object, *, where: str, below: str = "") -> None:
    """Refuse settings in which something could be called or looked up.

    Args:
        content: read from a file; mappings and lists are looked through.
        where: name of the file, for the message.
        below: name of the setting that ``content`` is the value of.

    Raises:
        InvalidData: a key such as ``_target_``, or ``${`` in a key or a text.
    """
    if isinstance(content, str) and INTERPOLATION in content:
        raise InvalidData(
            f"{where}: {below or 'a setting'} holds '{INTERPOLATION}', but a stored "
            "file may not refer to other settings"
        )
    if isinstance(content, Mapping):
        for key, value in content.items():
            name = f"{below}.{key}" if below else str(key)
            if MARKER.fullmatch(str(key)):
                raise InvalidData(
                    f"{where}: {name} is not allowed: a stored file may not name code to run"
                )
            check_plain(str(key), where=where, below=name)
            check_plain(value, where=where, below=name)
    elif isinstance(content, Sequence) and not isinstance(content, str):
        for value in content:
            check_plain(value, where=where, below=below)
