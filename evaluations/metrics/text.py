"""Scores of short answers, by the benchmarks' own rules."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import Any

__all__ = ["best_part_f1", "stem_tokens", "token_f1"]

ARTICLES_AND = re.compile(r"\b(a|an|the|and)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)


@lru_cache(maxsize=1)
def _stemmer() -> Any:
    from nltk.stem import PorterStemmer

    return PorterStemmer()


@lru_cache(maxsize=1 << 16)
def _stem(token: str) -> str:
    stem: str = _stemmer().stem(token)
    return stem


def stem_tokens(text: str) -> list[str]:
    """LoCoMo's normalisation: commas out, NFD, lower case, punctuation out, articles and "and" out.

    Then white-space tokens, each Porter-stemmed. The stemmer is a hard dependency: without it this
    would be another metric.

    >>> stem_tokens("The cats, and a Dog!")
    ['cat', 'dog']
    """
    text = unicodedata.normalize("NFD", text.replace(",", "")).lower().translate(PUNCTUATION)
    return [_stem(token) for token in ARTICLES_AND.sub(" ", text).split()]


def token_f1(prediction: list[str], reference: list[str]) -> float:
    """F1 of two bags of tokens; 0 where they share none, or either is empty."""
    shared = sum((Counter(prediction) & Counter(reference)).values())
    if not shared:
        return 0.0
    precision, recall = shared / len(prediction), shared / len(reference)
    return 2 * precision * recall / (precision + recall)


def best_part_f1(prediction: str, reference: str) -> float:
    """LoCoMo category 1: for each comma part of the reference the best predicted part, averaged."""
    predicted = [stem_tokens(part) for part in prediction.split(",") if part.strip()]
    wanted = [stem_tokens(part) for part in reference.split(",") if part.strip()]
    if not predicted or not wanted:
        return 0.0
    return sum(max(token_f1(p, w) for p in predicted) for w in wanted) / len(wanted)
