"""Text from files and models, shown so that none of it steers a terminal or hides what it is."""

from __future__ import annotations

import re

__all__ = ["SPELT", "printable"]

SPELT = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but for tab and line feed, marks that turn the direction of text, separators
of lines that are no line feed, and halves of surrogate pairs, which no encoding can write."""


def printable(text: str) -> str:
    r"""The text with every control character spelt as its JSON escape, such as ``\u001b``.

    In a JSON document the escape stands for the same character, so that its content stays as it
    is.

    >>> printable("\x1b[2Jgone")
    '\\u001b[2Jgone'
    """
    return SPELT.sub(_spelt, text)


def _spelt(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
