"""LoCoMo's category 5: does an answer say that the conversation does not tell?

The question offers the trap and "No information available" as (a) and (b). A named letter stands
for its option's words; then the words decide, which are those of the released scorer:

    answer to (a) blue kite (b) No information available     ``benchmark``   ``paper``
    (b) · b · **(b)** · The answer is (b)                    1               1
    It is not mentioned.                                     1               1
    A blue kite · blue kite · (a) blue kite                  0               0
    a) no information available                              1               0: option a
    b) blue kite                                             0               1: option b

LoCoMo reads letters in two ways. Of open models it takes "(a)" anywhere for option a and all else
for option b, also the trap's own words; of models behind an API it takes any answer of one or
three characters without an "a" for option b ("7", "Max"). ``benchmark`` keeps what is sound in
both: a bracketed letter anywhere, or a letter alone. ``paper`` is what the authors' code reads,
which also takes "a)" at the beginning.
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["NOT_TOLD", "NOT_TOLD_RULES", "not_told"]

NOT_TOLD = "No information available"
"""The right option."""
SIGNS = ("no information available", "not mentioned")
"""Words of which an answer has to hold some. Two of the released traps are "Not mentioned"."""

NOT_TOLD_RULES = {
    "benchmark": "(a), (b) or a letter alone is its option; says that there is no information",
    "paper": "the same, and a) or b) at the beginning is its option too",
}
"""The rules in words, for the protocol of the benchmark."""


def not_told(line: str, options: Mapping[str, str], *, protocol: str = "benchmark") -> bool:
    """Whether an answer says so, by a letter or in words.

    Args:
        line: of the answer, the first that is not empty.
        options: words of ``a`` and of ``b``.
        protocol: ``benchmark`` or ``paper``, see the module.
    """
    said = line.strip().lower()
    leading = protocol == "paper"
    for letter, words in sorted(options.items()):
        alone = said in (letter, f"{letter})")
        if alone or f"({letter})" in said or (leading and said.startswith(f"{letter})")):
            said = words.lower()
            break
    return any(sign in said for sign in SIGNS)
