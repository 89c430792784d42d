"""Exact match and token F1 of short spans, by HotpotQA's rules and by those behind the paper.

HotpotQA (Yang et al., 2018) scores as SQuAD does, and with one rule of its own: an answer that is
yes, no or noanswer has no partial credit. The authors of the paper normalise in another order and
do without that rule:

    answer          reference   ``hotpot_scores``     ``paper_scores``
    The U.S.A.      USA         em 1, f1 1            em 0, f1 0        ("u s" against "usa")
    yes they are    yes         em 0, f1 0            em 0, f1 1/2
"""

from __future__ import annotations

import re
import string

from evaluations.metrics.text import token_f1

__all__ = [
    "HOTPOT_RULE",
    "PAPER_RULE",
    "hotpot_scores",
    "normalise",
    "paper_scores",
    "paper_tokens",
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
"""In words, for the protocol of a benchmark."""
PAPER_RULE = (
    "lower case, articles to spaces, all but word characters to spaces, white space collapsed; em "
    "is equality, f1 is over bags of tokens, and 1 where both sides are empty"
)
"""In words, for the protocol of a benchmark."""


def normalise(text: str) -> str:
    """HotpotQA's normalisation: lower case, no punctuation, then no articles, single spaces.

    >>> normalise("The U.S.A.,  a  state")
    'usa state'
    """
    return " ".join(ARTICLES.sub(" ", text.lower().translate(PUNCTUATION)).split())


def hotpot_scores(prediction: str, reference: str) -> dict[str, float]:
    """``em`` and ``f1`` of one answer, as HotpotQA's evaluation script has them."""
    answer, wanted = normalise(prediction), normalise(reference)
    if answer != wanted and not CLOSED.isdisjoint((answer, wanted)):
        return {"em": 0.0, "f1": 0.0}
    return {"em": float(answer == wanted), "f1": token_f1(answer.split(), wanted.split())}


def paper_scores(prediction: str, reference: str) -> dict[str, float]:
    """``em`` and ``f1`` as behind the paper's tables; two empty sides agree."""
    answer, wanted = paper_tokens(prediction), paper_tokens(reference)
    f1 = token_f1(answer, wanted) if answer and wanted else float(answer == wanted)
    return {"em": float(answer == wanted), "f1": f1}


def paper_tokens(text: str) -> list[str]:
    """Tokens of a text by the rules behind the paper's tables.

    Articles go first, so that the "a" of "U.S.A." is one; punctuation parts words.
    """
    return NEITHER_WORD_NOR_SPACE.sub(" ", ARTICLES.sub(" ", text.lower())).split()
