"""Where sentences end, in any script and without a model of the language."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["sentence_ends", "skip_space", "tiling_sentences"]

END = re.compile(r"(?<![.!?])[.!?]++[\"')\]”’]*(?=\s)|[。！？]+|\n+")
"""Punctuation with what closes behind it, before white space; a full-width stop; line breaks."""


def sentence_ends(text: str, start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Places where the words of each sentence end, and where the line breaks behind them do.

    The two differ only for a line that ends without punctuation. White space after punctuation is
    not counted to the sentence, because tokens carry the space in front of a word.

    Args:
        text: the text.
        start: first place to look at.
        end: the place behind the last one; None is the end of the text.
    """
    for match in END.finditer(text, start, len(text) if end is None else end):
        yield match.start() if text[match.start()] == "\n" else match.end(), match.end()


def tiling_sentences(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each sentence with the white space after it: joined they are the text."""
    start = 0
    for words, end in sentence_ends(text):
        if end <= start:  # inside the white space of the one before
            continue
        end = skip_space(text, end) if words == end else end
        yield start, end
        start = end
    if start < len(text):
        yield start, len(text)


def skip_space(text: str, at: int) -> int:
    """The first place from ``at`` on where no white space is."""
    while at < len(text) and text[at].isspace():
        at += 1
    return at
