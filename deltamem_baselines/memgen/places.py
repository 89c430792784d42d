"""Where MemGen may insert latents: at the end of the prompt, and after delimiters in the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Places"]

DELIMITERS = ",.\n"
NUMERIC = ",."
"""Delimiters that also stand inside numbers."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Limits, and what counts as a delimiter."""

    at_prompt: bool = True
    """Insert once where the answer begins."""
    max_insertions: int = 5
    """Within one answer, at most."""
    every_delimiter: bool = False
    """True: also a point or comma right after a digit, as in the published code. A decoder cannot
    know whether the number goes on, so by default none of these counts."""

    def is_delimiter(
        self, tokenizer: PreTrainedTokenizerBase, previous: int | None, token: int
    ) -> bool:
        """Whether ``token`` ends with a comma, a full stop or a new line; spaces do not count.

        Args:
            tokenizer: of the backbone.
            previous: the token of the answer before it; None for the first.
            token: the one just produced.
        """
        text = str(tokenizer.decode([token])).rstrip(" ")
        if not text or text[-1] not in DELIMITERS:
            return False
        if self.every_delimiter or text[-1] not in NUMERIC:
            return True
        before = text[:-1] or ("" if previous is None else str(tokenizer.decode([previous])))
        return not before[-1:].isdigit()

    def plan(
        self, tokenizer: PreTrainedTokenizerBase, prompt: Sequence[int], answer: Sequence[int]
    ) -> list[int]:
        """How many tokens stand before each insertion, when none is refused.

        The first delimiters of the answer are taken, as a decoder takes them; one at its very end
        has nothing to help with.
        """
        places = [len(prompt)] if self.at_prompt else []
        inside = 0
        for i, token in enumerate(answer[:-1]):
            if inside == self.max_insertions:
                break
            if self.is_delimiter(tokenizer, answer[i - 1] if i else None, token):
                places.append(len(prompt) + i + 1)
                inside += 1
        return places
