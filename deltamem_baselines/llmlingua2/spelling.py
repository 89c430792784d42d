"""Give compressed words the spelling of the text back that an encoder without capitals took.

The package builds the shorter text from its encoder's word pieces. Of an uncased encoder these are
small letters without accents; with the package's label of every word the words of the text itself
can stand there instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["changes_spelling", "kept_of_labels", "respelt"]

BETWEEN_WORDS, BEFORE_LABEL = "\x1e", "\x1f"
"""Control characters: no word piece holds one."""
KEPT = "1"
ACCENTED = "É"


def changes_spelling(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the pieces of a tokenizer are not spelt as the text is."""
    normalizer = tokenizer.backend_tokenizer.normalizer
    return normalizer is not None and normalizer.normalize_str(ACCENTED) != ACCENTED


def kept_of_labels(labelled: str) -> list[tuple[str, bool]]:
    """All words of a text and whether each is kept, from what the package returns of them."""
    pairs = (word.rpartition(BEFORE_LABEL) for word in labelled.split(BETWEEN_WORDS))
    return [(word, label == KEPT) for word, _, label in pairs]


def respelt(
    text: str,
    words: Sequence[tuple[str, bool]],
    *,
    tokenizer: PreTrainedTokenizerBase,
    forced: Sequence[str],
) -> str:
    """The kept words as they stand in ``text``, joined as the tokenizer joins words.

    Args:
        text: before it was compressed.
        words: all of its words in their order, as the tokenizer spells them.
        tokenizer: the encoder's.
        forced: what the package lets through as it is.
    """
    spell: Callable[[str], str] = cache(tokenizer.backend_tokenizer.normalizer.normalize_str)
    letters: list[str] = []
    origins: list[int] = []
    for place, letter in enumerate(text):
        spelt = letter if letter in forced else spell(letter)
        letters += spelt
        origins += [place] * len(spelt)
    plain, cursor, kept = "".join(letters), 0, []
    for word, stays in words:
        start = plain.find(word, cursor)
        if start >= 0:
            cursor = start + len(word)
            first, last = origins[start], origins[cursor - 1]
            word = text[first : last + 1]
        if stays:
            kept.append(word)
    return str(tokenizer.convert_tokens_to_string(kept))
