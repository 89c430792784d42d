"""Scores of short answers, by the benchmarks' own rules."""

from __future__ import annotations

import string
import unicodedata
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import regex

if TYPE_CHECKING:
    from nltk.stem import PorterStemmer

__all__ = ["best_part_f1", "first_written_line", "stem_tokens", "token_f1"]

ARTICLES_AND = regex.compile(r"\b(a|an|the|and)\b")
"""Words that LoCoMo's library drops: `re` ends a word before a combining accent, and splits á."""
PUNCTUATION = str.maketrans("", "", string.punctuation)


def first_written_line(answer: str) -> str:
    """The first line of an answer that is more than white space, stripped; else nothing."""
    return next((line.strip() for line in answer.splitlines() if line.strip()), "")


@lru_cache(maxsize=1)
def _stemmer() -> PorterStemmer:
    from nltk.stem import PorterStemmer

    return PorterStemmer()


@lru_cache(maxsize=1 << 16)
def _stem(token: str) -> str:
    stem: str = _stemmer().stem(token)
    return stem


def stem_tokens(text: str, *, decompose: bool = False) -> list[str]:
    """LoCoMo's normalisation: commas out, lower case, punctuation out, articles and "and" out.

    Then white-space tokens, each Porter-stemmed. The stemmer is a hard dependency: without it this
    would be another metric.

    >>> stem_tokens("The cats, and a Dog!")
    ['cat', 'dog']

    Args:
        text: an answer or a reference.
        decompose: takes letters and accents apart first (NFD). The authors of δ-mem do; LoCoMo
            has a function for it, and does not call it here.
    """
    if decompose:
        text = unicodedata.normalize("NFD", text)
    text = text.replace(",", "").lower().translate(PUNCTUATION)
    return [_stem(token) for token in ARTICLES_AND.sub(" ", text).split()]


def token_f1(prediction: list[str], reference: list[str]) -> float:
    """F1 of two bags of tokens; 0 where they share none, or either is empty."""
    shared = sum((Counter(prediction) & Counter(reference)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(prediction), shared / len(reference)
    return 2 * precision * recall / (precision + recall)


def best_part_f1(
    prediction: str, reference: str, *, tokens: Callable[[str], list[str]] = stem_tokens
) -> float:
    """LoCoMo category 1: for each comma part of the reference the best predicted part, averaged.

    Args:
        prediction: an answer.
        reference: of the question.
        tokens: of a part.
    """
    predicted = [tokens(part) for part in prediction.split(",") if part.strip()]
    wanted = [tokens(part) for part in reference.split(",") if part.strip()]
    if not predicted or not wanted:
        return 0.0
    return sum(max(token_f1(p, w) for p in predicted) for w in wanted) / len(wanted)
