r"""Which of the options A to D an answer names.

What counts, the strongest first; of several statements of one strength the last one wins:

    1  the answer is said to be it     {"answer": "B"} · \boxed{B} · The answer is (B) · Answer: B
    2  an option is said to be right   Option B is correct · I choose (B)
    3  it stands alone on a line       **B** · (B). · Option B
    4  the first or the last line      B. ten metres
       shows it, and no other one is

A letter counts only where it can be nothing else: in brackets, before punctuation, at the end of a
line. "Answer: a compound", "the answer is C=O" and "the answer is B or C" name no option.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

__all__ = ["CHOICE_RULE", "LETTERS", "extract_choice"]

LETTERS = "ABCD"

LATEX_TEXT = re.compile(
    r"\\(?:text|textbf|textrm|textit|mathrm|mathbf|mathsf|rm|bf)\s*\{([^{}]*)\}"
)
BOXED = re.compile(r"\\f?boxed\s*\{|<\s*(?:final[_ ])?answer\s*>", re.IGNORECASE)
DECORATION = re.compile(
    r"[*`$\"“”✅✔✓☑\ufe0f]|__|\\[()\[\]]|\\checkmark|(?<!\w)['‘’]|['‘’](?!\w)|</?[a-z_ ]+>"
)
SNAKE = re.compile(r"(?<=[a-z])_(?=[a-z])")

ANOTHER = (
    r"\s*(?:[,/&+]|\band\b|\bor\b)\s*(?:\(\s*[A-D]\s*\)|(?-i:[A-HJ-Z])\b)"
    r"(?!\s+(?:is|are|was)\b)"
)
"""A second letter in the same breath: the answer has not chosen, or lists elements."""
ENDS_HERE = r"(?=\s*(?:$|[)\]}(,]|[.;!:](?!\w)|[-–—]\s|(?:because|since|as|which|and|but)\b))"
LETTER = rf"(?:[(\[{{]\s*([A-D])\s*[)\]}}]|([A-D])\b{ENDS_HERE})(?!{ANOTHER})"
OPTION = r"(?:the[ ])?(?:(?:correct|right|final)[ ])?(?:option|choice|answer|letter)\b[ ]*:?[ ]*"
ADVERB = r"(?:[ ,]+(?:then|thus|therefore|hence|indeed|most|likely|probably|clearly|simply))*,?"
VERB = rf"\b(?:is|would[ ]be|should[ ]be|must[ ]be|will[ ]be|has[ ]to[ ]be)\b{ADVERB}"
SUBJECT = (
    r"(?<!incorrect[ ])(?<!wrong[ ])\b"
    r"(?:(?:answer|ans)(?:[ ](?:option|choice|letter))?"
    r"|(?:correct|right|best|final|chosen|selected|my)[ ](?:option|choice|letter))\b"
    r"(?:[ ](?:to|for|from|among|of)\b[^.\n:?]{0,60}?)?"
)
HEADING = r"^[ \t#>•-]*(?:the[ ])?(?:(?:final|correct)[ ])?answer[ ]*\n"

STATED = (
    rf"(?:{SUBJECT}\s*(?:{VERB}\s*[:=]?|[:=]|[-–—=]+>?|→)|{HEADING})[\s>]*(?:{OPTION})?{LETTER}"
)
RIGHT = (
    rf"(?:\b(?:option|choice)[ ](?:[(\[]([A-D])[)\]]|([A-D])\b)"
    rf"|(?:^|[.,:;][ ])[ ]*(?:[(\[]([A-D])[)\]]|((?-i:[A-D]))\b))"
    rf"(?:[ ]\([^)\n]{{0,80}}\))?[ ]is{ADVERB}[ ](?:the[ ])?(?:correct|right|best|answer)\b"
)
CHOSEN = (
    r"\b(?:I(?:[ ]would|[ ]will|'d|'ll)?[ ](?:choose|chose|pick|select|go[ ]with)"
    rf"|(?:corresponds[ ]to|matches)(?=[ ](?:the[ ])?(?:option|choice|answer)\b))[ ](?:{OPTION})?"
    rf"{LETTER}"
)
ALONE = (
    r"^[ \t#>•-]*(?:(?:so|thus|hence|therefore)\b,?[ ]*)?"
    r"(?:(?:the[ ])?(?:option|choice|letter)\b:?[ ]*)?"
    r"[(\[{]?([A-D])[)\]}]?[ .:;!,]*$"
)
STARTED = (
    r"^[ \t#>•-]*(?:[(\[]([A-D])[)\]]|([A-D])(?:\)|[.:](?=\s)|[ \t]{2}|[ ][-–—][ ]))[.:]?\s*\S"
)

FLAGS = re.IGNORECASE | re.MULTILINE
STRENGTHS = tuple(re.compile(p, FLAGS) for p in (STATED, f"{RIGHT}|{CHOSEN}", ALONE))
LINE = re.compile(STARTED, re.MULTILINE)

_PATTERNS = "\n".join(p.pattern for p in (LATEX_TEXT, BOXED, DECORATION, SNAKE, *STRENGTHS, LINE))
CHOICE_RULE = (
    "the last statement of the strongest kind that names one letter; patterns "
    + hashlib.sha256(_PATTERNS.encode()).hexdigest()[:12]
)
"""The rule in words, for the protocol of a benchmark; it changes with the patterns."""


def extract_choice(text: str) -> str | None:
    """The letter that an answer names, in upper case; None where it names none.

    >>> extract_choice("At first (A), but no. **The correct answer is (B)** ten metres")
    'B'
    """
    text = _plain(text)
    for strength in STRENGTHS:
        found = [next(filter(None, match.groups())) for match in strength.finditer(text)]
        if found:
            return found[-1].upper()
    return _started_with(text)


def _plain(text: str) -> str:
    """A text without markdown, quotes and LaTeX around letters; boxes and tags say "answer:"."""
    text = unicodedata.normalize("NFKC", text)
    while (unwrapped := LATEX_TEXT.sub(r"\1", text)) != text:
        text = unwrapped
    text = DECORATION.sub("", BOXED.sub(" answer: ", text))
    return SNAKE.sub(" ", text)


def _started_with(text: str) -> str | None:
    """The option that the first or else the last line shows, where no other one is shown."""
    lines = [line for line in text.splitlines() if line.strip()]
    shown = {match[1] or match[2] for line in lines if (match := LINE.match(line))}
    if len(shown) == 1 and (LINE.match(lines[0]) or LINE.match(lines[-1])):
        return shown.pop()
    return None
