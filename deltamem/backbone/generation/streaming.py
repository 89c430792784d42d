"""Text of an answer while its tokens come in, never a character that a later token would change."""

from __future__ import annotations

from collections.abc import Callable

from deltamem.backbone.backbone import Backbone

__all__ = ["TextStream"]

UNFINISHED = "\ufffd"
"""The sign that a tokenizer shows for bytes that are no whole character yet."""


class TextStream:
    """Tokens in, pieces of text out: together they are ``backbone.decode`` of all tokens.

    Held back are the bytes of an unfinished character, and white space that may turn out to be the
    end of the answer. Only the tokens since the last but one piece are decoded again, for a token
    may look different at the start of a text. (Tokenizers with byte fallback show all bytes of a
    run as unreadable once one of them is; what was told before that stays told.)
    """

    def __init__(self, backbone: Backbone, on_text: Callable[[str], None]) -> None:
        """``on_text`` is told of each piece."""
        self._backbone, self._on_text = backbone, on_text
        self._ids: list[int] = []
        self._from = self._told = 0
        self._space = ""
        self._begun = False

    def push(self, token: int) -> None:
        """The next token; one that stops the answer has no text."""
        if token in self._backbone.stop_ids:
            return
        self._ids.append(token)
        fresh = self._fresh()
        if fresh and not fresh.endswith(UNFINISHED):
            self._tell(fresh)
            self._from, self._told = self._told, len(self._ids)

    def close(self) -> None:
        """No more tokens: what was held back for a character comes out as it is."""
        self._tell(self._fresh())
        self._from = self._told = len(self._ids)

    def _fresh(self) -> str:
        """Text that the tokens since ``_told`` add."""
        decode = self._backbone.decode_raw
        before = decode(self._ids[self._from : self._told])
        return decode(self._ids[self._from :])[len(before) :]

    def _tell(self, text: str) -> None:
        text = self._space + text
        if not self._begun:
            text = text.lstrip()
        shown = text.rstrip()
        self._space = text[len(shown) :]
        if shown:
            self._begun = True
            self._on_text(shown)
