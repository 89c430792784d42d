"""Texts that name a place on one machine: folders that only its owner has."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

__all__ = ["local_places"]

PLACE = re.compile(r"(?<![\w.:/@<])(?:~/|/[\w.-]+/|[A-Za-z]:\\)[\w.-]*")
"""The beginning of an absolute path; an address on the network has a colon before its slashes."""


def local_places(content: object, *, names: Sequence[str] = ()) -> Iterator[str]:
    """Texts in plain values that name a place, or one of some names, keys included.

    Args:
        content: mappings and lists are looked through.
        names: of a machine or a person, as whole words.
    """
    if isinstance(content, Mapping):
        for key, value in content.items():
            yield from local_places(str(key), names=names)
            yield from local_places(value, names=names)
    elif isinstance(content, str):
        if PLACE.search(content) or any(_has_word(content, name) for name in names):
            yield content
    elif isinstance(content, Sequence):
        for value in content:
            yield from local_places(value, names=names)


def _has_word(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None
