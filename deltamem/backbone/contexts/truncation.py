"""Shorten a history that stays in view, and say what was cut; never in silence.

A history that is only written is not shortened: it passes through in windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from deltamem.backbone.inputs import CutLike, Messages
from deltamem_base.faults import InvalidInput

__all__ = ["clip_text", "fit_messages"]

MARKER = "\n\n[...]\n\n"
"""Stands where text was taken out of the middle of a message."""
CHARS_PER_TOKEN = 4
"""First guess of how many characters fit; the search widens or narrows it."""
HEAD_SHARE = 1 / 3
"""Share that remains before a cut in the middle; the rest remains after it."""


def fit_messages(
    messages: Messages,
    *,
    cut: CutLike,
    budget: int,
    count: Callable[[Messages], int],
) -> list[Mapping[str, str]]:
    """The longest part of ``messages`` whose rendering has at most ``budget`` tokens.

    A leading system message always stays. Whole messages go first; where one message alone is too
    long, its text is clipped on the same side.

    Args:
        messages: the history.
        cut: the side, and a limit in characters.
        budget: tokens there is room for.
        count: tokens of a rendered history.

    Raises:
        InvalidInput: not even an empty history fits.
    """
    system = [m for m in messages[:1] if m["role"] == "system"]
    rest = list(messages[len(system) :])
    if cut.max_chars is not None:
        rest = _shorten(rest, cut.max_chars, cut.side)
    if count([*system, *rest]) <= budget:
        return [*system, *rest]
    if count(system) > budget:
        raise InvalidInput(
            f"the instructions alone have {count(system)} tokens, but there is room for "
            f"only {budget}: shorten them"
        )

    def fits(chars: int) -> bool:
        return count([*system, *_shorten(rest, chars, cut.side)]) <= budget

    most = _most_that_fits(
        fits, guess=budget * CHARS_PER_TOKEN, all=sum(len(m["content"]) for m in rest)
    )
    return [*system, *_shorten(rest, most, cut.side)]


def _most_that_fits(fits: Callable[[int], bool], *, guess: int, all: int) -> int:
    """The most characters out of ``all`` that fit, by bisection about a first guess."""
    low, high = 0, all
    while guess < high and fits(guess):
        low, guess = guess, 2 * guess
    high = min(high, guess)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _shorten(messages: Messages, chars: int, side: str) -> list[Mapping[str, str]]:
    """Messages with at most ``chars`` characters, whole ones unless not even one fits."""
    if not chars:
        return []
    if sum(len(m["content"]) for m in messages) <= chars:
        return list(messages)
    if side == "middle":
        head = _take(messages, int(chars * HEAD_SHARE))
        left = chars - sum(len(m["content"]) for m in head)
        kept = [*head, *_take(messages[len(head) :][::-1], left)[::-1]]
    elif side == "end":
        kept = _take(messages, chars)
    else:
        kept = _take(messages[::-1], chars)[::-1]
    return kept or _clip_one(messages, chars, side)


def _clip_one(messages: Messages, chars: int, side: str) -> list[Mapping[str, str]]:
    """Every message is longer than the room: a piece of the one that is nearest."""
    if side == "middle" and len(messages) > 1:
        head = int(chars * HEAD_SHARE)
        return [
            *_clip_one(messages[:1], head, "end"),
            *_clip_one(messages[-1:], chars - head, "start"),
        ]
    nearest = messages[0] if side == "end" else messages[-1]
    text = clip_text(nearest["content"], chars, side)
    return [{**nearest, "content": text}] if text else []


def _take(messages: Messages, chars: int) -> list[Mapping[str, str]]:
    """The first messages, as many as have ``chars`` characters together."""
    taken = []
    for message in messages:
        chars -= len(message["content"])
        if chars < 0:
            break
        taken.append(message)
    return taken


def clip_text(text: str, chars: int, side: str) -> str:
    """A text cut to at most ``chars`` characters: the side that is named goes.

    >>> clip_text("abcdef", 3, "start")
    'def'
    """
    if len(text) <= chars:
        return text
    if side == "end":
        return text[:chars]
    if side == "start" or chars <= 2 * len(MARKER):
        return text[len(text) - chars :]
    head = int((chars - len(MARKER)) * HEAD_SHARE)
    return text[:head] + MARKER + text[len(text) - (chars - len(MARKER) - head) :]
