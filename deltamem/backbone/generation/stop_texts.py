"""An answer that ends before the first of some texts, as it is generated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["StopTexts"]


class StopTexts:
    """Pieces of an answer go through until one of some texts begins; that one is not passed on.

    Held back are what may turn out to be the beginning of such a text, and white space, which an
    answer does not end with.
    """

    def __init__(self, texts: Sequence[str], on_text: Callable[[str], None]) -> None:
        """``on_text`` is told of each piece that goes through; no text may be empty."""
        self._texts, self._on_text = tuple(texts), on_text
        self._held = ""
        self.passed = ""
        """All that went through."""
        self.met = False
        """Whether one of the texts came, so that the answer has ended."""

    def push(self, piece: str) -> None:
        """The next piece."""
        if self.met:
            return
        self._held += piece
        found = [self._held.find(text) for text in self._texts if text in self._held]
        self.met = bool(found)
        self._pass(min(found) if found else len(self._held) - self._begun())

    def close(self) -> None:
        """No more pieces: what was held back was no beginning of anything."""
        if not self.met:
            self._pass(len(self._held))

    def _begun(self) -> int:
        """Characters at the end that one of the texts begins with."""
        longest = max((len(text) - 1 for text in self._texts), default=0)
        sizes = range(min(longest, len(self._held)), 0, -1)
        return next((n for n in sizes if self._begins(self._held[-n:])), 0)

    def _begins(self, end: str) -> bool:
        return any(text.startswith(end) for text in self._texts)

    def _pass(self, size: int) -> None:
        shown = self._held[:size].rstrip()
        self._held = self._held[len(shown) :]
        if shown:
            self.passed += shown
            self._on_text(shown)
