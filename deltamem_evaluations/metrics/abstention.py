"""Does a free answer say that it cannot be told? By words alone, where nobody judges it.

    You did not mention a cat.                             yes
    The information provided is not enough.                yes
    I don't have enough information to answer that.        yes
    Your cat is called Momo.                               no
    I can't say it often enough: take the train.           no

This is a list of phrases and no understanding: an answer may abstain in other words, and one that
says what was not mentioned may still give a wrong answer after it.
"""

from __future__ import annotations

import re

__all__ = ["ABSTENTION_RULE", "abstains"]

NOT = r"(?:\bnot|\bnever|n't|\bcannot)"
BETWEEN = r"(?: \w+){0,2}"
PHRASES = re.compile(
    rf"{NOT}{BETWEEN} (?:mention|specif|provide|discuss|state|indicate|told|tell)"
    rf"|{NOT}{BETWEEN} (?:know|determine|recall|find|answer)\b"
    rf"|{NOT}{BETWEEN} (?:enough|sufficient)(?: information| details?| context|\.|,|$)"
    r"|\bunable to (?:determine|answer|find|recall|tell)"
    r"|\b(?:no|insufficient|lack of)(?: \w+)? (?:information|mention|record|details?)\b"
)
ABSTENTION_RULE = (
    "1 where the answer holds a phrase such as 'did not mention', 'no information' or 'cannot "
    "determine': a list of phrases, no judgement"
)
"""The rule in words, for the protocol of a benchmark."""


def abstains(answer: str) -> bool:
    """Whether an answer says in one of the known phrases that it cannot be told."""
    plain = " ".join(answer.lower().replace("’", "'").split())
    return PHRASES.search(plain) is not None
