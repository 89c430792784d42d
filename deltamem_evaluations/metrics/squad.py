"""Exact match and token F1 of short spans: SQuAD's, HotpotQA's and those behind the paper.

SQuAD (Rajpurkar et al., 2016, 2018) takes the best of several references. HotpotQA (Yang et al.,
2018) has one, and a rule of its own: an answer that is yes, no or noanswer has no partial credit.
The authors of the paper normalise in another order and do without that rule:

    answer          reference   ``squad_scores``   ``hotpot_scores``   ``paper_scores``
    The U.S.A.      USA         em 1, f1 1         em 1, f1 1          em 0, f1 0   ("u s", "usa")
    yes they are    yes         em 0, f1 1/2       em 0, f1 0          em 0, f1 1/2
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence

from deltamem_evaluations.metrics.text import token_f1

__all__ = [
    "HOTPOT_RULE",
    "PAPER_RULE",
    "SQUAD_RULE",
    "hotpot_scores",
    "normalise",
    "paper_scores",
    "paper_tokens",
    "squad_scores",
]

ARTICLES = re.compile(r"\b(a|an|the)\b")
PUNCTUATION = str.maketrans("", "", string.punctuation)
NEITHER_WORD_NOR_SPACE = re.compile(r"[^\w\s]")
CLOSED = frozenset(("yes", "no", "noanswer"))
"""Answers that are right or wrong and nothing between."""

HOTPOT_RULE = (
    "lower case, ASCII punctuation out, articles out, white space collapsed; em is equality, f1 is "
    "over bags of tokens, and 0 where one side is yes, no or noanswer and the other is not the same"
)
"""The rule in words, for the protocol of a benchmark."""
SQUAD_RULE = (
    "lower case, ASCII punctuation out, articles out, white space collapsed; em is equality, f1 is "
    "over bags of tokens, and 1 where both sides are empty; each the best over the references"
)
"""The rule in words, for the protocol of a benchmark."""
PAPER_RULE = (
    "lower case, articles to spaces, all but word characters to spaces, white space collapsed; em "
    "is equality, f1 is over bags of tokens, and 1 where both sides are empty"
)
"""The rule in words, for the protocol of a benchmark."""


def normalise(text: str) -> str:
    """Text as SQuAD compares it: lower case, without punctuation and articles, single spaces.

    >>> normalise("The U.S.A.,  a  state")
    'usa state'
    """
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def squad_scores(prediction: str, references: Sequence[str]) -> dict[str, float]:
    """``em`` and ``f1`` of one answer, each the best over the references.

    As SQuAD 2.0's script has them; on what has an answer it agrees with that of 1.1.

    Args:
        prediction: an answer; empty for "there is none".
        references: answers of the annotators. Those of which nothing is left once they are
            normalised do not count; where none is left, the right answer is the empty one.
    """
    answer = normalise(prediction)
    wanted = [text for text in map(normalise, references) if text] or [""]
    return {
        "em": float(answer in wanted),
        "f1": max(_overlap(answer.split(), text.split()) for text in wanted),
    }


def _overlap(answer: list[str], wanted: list[str]) -> float:
    """Token F1, and 1 where both sides are empty."""
    return token_f1(answer, wanted) if answer and wanted else float(answer == wanted)


def hotpot_scores(prediction: str, reference: str) -> dict[str, float]:
    """``em`` and ``f1`` of one answer, as HotpotQA's evaluation script has them."""
    answer, wanted = normalise(prediction), normalise(reference)
    if answer != wanted and not CLOSED.isdisjoint((answer, wanted)):
        return {"em": 0.0, "f1": 0.0}
    return {"em": float(answer == wanted), "f1": token_f1(answer.split(), wanted.split())}


def paper_scores(prediction: str, reference: str) -> dict[str, float]:
    """``em`` and ``f1`` as behind the paper's tables; two empty sides agree."""
    answer, wanted = paper_tokens(prediction), paper_tokens(reference)
    return {"em": float(answer == wanted), "f1": _overlap(answer, wanted)}


def paper_tokens(text: str) -> list[str]:
    """Tokens of a text by the rules behind the paper's tables.

    Articles go first, so that the "a" of "U.S.A." is one; punctuation parts words.
    """
    return NEITHER_WORD_NOR_SPACE.sub(" ", ARTICLES.sub(" ", text.lower())).split()
