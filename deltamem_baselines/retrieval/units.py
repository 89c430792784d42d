"""Units of a history that are recalled one by one, and how several are shown together.

A unit is some text of some messages, so that units which stood together are shown as the very
messages they came from. The kinds:

    message   one message: a passage, a turn
    pair      two consecutive messages of a session
    session   all messages of a session
    chunk     whole sentences, up to a number of tokens, across messages
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from deltamem.backbone import Messages
from deltamem_base.faults import InvalidInput, check_choice
from deltamem_base.sentences import tiling_sentences

__all__ = ["UNITS", "Piece", "TokenStarts", "Unit", "sessions", "shown", "split_units", "text_kind"]

UNITS = ("message", "pair", "chunk", "session")

GAP = "\n[...]\n"
"""Stands where text is left out that would not be missed otherwise."""
BREAK = "\n\n"

Message = Mapping[str, str]

TokenStarts = Callable[[str], Sequence[int]]
"""Where in a text each of its tokens starts, ascending."""


@dataclass(frozen=True)
class Piece:
    """Characters ``start`` to ``end`` of a message's content."""

    message: int
    start: int
    end: int


@dataclass(frozen=True)
class Unit:
    """Pieces in the order of the history."""

    pieces: tuple[Piece, ...]


def text_kind(messages: Messages) -> str:
    """``passages`` where all messages have a title, ``turns`` where a speaker, else ``text``."""
    for key, kind in (("title", "passages"), ("speaker", "turns")):
        if messages and all(message.get(key) for message in messages):
            return kind
    return "text"


def split_units(
    messages: Messages,
    kind: str,
    *,
    size: int,
    token_starts: TokenStarts,
    among: Sequence[int] | None = None,
) -> list[Unit]:
    """Cut a history into units of one kind, in its order.

    Args:
        messages: the history.
        kind: one of :data:`UNITS`.
        size: tokens in a chunk at most.
        token_starts: tells the tokens of a text.
        among: numbers of the messages to cut, ascending; None for all.

    Raises:
        InvalidInput: an unknown kind, or chunks of no tokens.
    """
    check_choice("unit", kind, UNITS)
    if size < 1:
        raise InvalidInput(f"a chunk of {size} tokens holds nothing; use at least 1")
    numbers = range(len(messages)) if among is None else among
    if kind == "chunk":
        return _chunks(messages, numbers, size, token_starts)
    groups = [[n] for n in numbers] if kind == "message" else sessions(messages, numbers)
    if kind == "pair":
        groups = [group[i : i + 2] for group in groups for i in range(0, len(group), 2)]
    return [
        Unit(tuple(Piece(n, 0, len(messages[n]["content"])) for n in group)) for group in groups
    ]


def sessions(messages: Messages, numbers: Iterable[int]) -> list[list[int]]:
    """Consecutive messages of one session together; without sessions all are one."""
    return [list(run) for _, run in groupby(numbers, key=lambda n: _session(messages[n]))]


def shown(
    messages: Messages, items: Sequence[Unit | Message], *, join: str | None = None
) -> list[Message]:
    """Messages that show units in the order given.

    A message that is shown whole is shown as it is; of others the parts are, with a mark for what
    is missing between them. Where a session begins, its preamble stands before what is shown of it.

    Args:
        messages: the history.
        items: units of it, and messages of one's own that stand among them.
        join: what the history has between messages of a turn. Where that has no line break, what
            did not stand together is kept apart.
    """
    result: list[Message] = []
    before: Message | None = None
    runs = list(_runs(items))
    for run, after in zip(runs, [*runs[1:], None], strict=False):
        if isinstance(run, Mapping):
            message = {**run}
        else:
            message = _partly(messages[run[0].message], run, before=before)
            before = message
        if join is not None and "\n" not in join:
            message["content"] += _between(messages, run, after)
        result.append(message)
    return result


def _runs(items: Sequence[Unit | Message]) -> Iterator[list[Piece] | Message]:
    """Consecutive pieces of one message together, those that touch made one."""
    held: list[Piece] = []
    for item in items:
        for piece in item.pieces if isinstance(item, Unit) else ():
            if held and held[-1].message != piece.message:
                yield held
                held = []
            if held and held[-1].end == piece.start:
                held[-1] = Piece(piece.message, held[-1].start, piece.end)
            else:
                held.append(piece)
        if isinstance(item, Mapping):
            if held:
                yield held
            held = []
            yield item
    if held:
        yield held


def _partly(message: Message, parts: Sequence[Piece], *, before: Message | None) -> dict[str, str]:
    """The part of a message that is shown after another one of the history."""
    content, preamble = message["content"], message.get("preamble", "")
    begins = parts[0].start == 0 and content.startswith(preamble)
    if [(part.start, part.end) for part in parts] != [(0, len(content))]:
        content = GAP.join(content[part.start : part.end].strip() for part in parts)
    if preamble and not begins and (before is None or _session(before) != _session(message)):
        content = preamble + content
    return {**message, "content": content}


def _between(
    messages: Messages, run: list[Piece] | Message, after: list[Piece] | Message | None
) -> str:
    """Text that keeps a shown message apart from the next one, or from the question at the end."""
    if isinstance(run, Mapping) or isinstance(after, Mapping):
        return BREAK
    last = run[-1]
    whole = last.end == len(messages[last.message]["content"])
    following = len(messages) if after is None else after[0].message
    starts = after is None or after[0].start == 0
    return "" if whole and starts and following == last.message + 1 else GAP


def _session(message: Message) -> tuple[str | None, str | None]:
    return message.get("session"), message.get("preamble")


def _chunks(
    messages: Messages, numbers: Iterable[int], size: int, token_starts: TokenStarts
) -> list[Unit]:
    """Sentences packed in order; one that is longer than a chunk is cut between tokens."""
    units: list[Unit] = []
    held: list[Piece] = []
    room = size
    for number in numbers:
        for piece, tokens in _sentences(number, messages[number]["content"], size, token_starts):
            if tokens > room and held:
                units.append(Unit(tuple(held)))
                held, room = [], size
            room -= tokens
            if held and held[-1].message == number:
                held[-1] = Piece(number, held[-1].start, piece.end)
            else:
                held.append(piece)
    return [*units, Unit(tuple(held))] if held else units


def _sentences(
    number: int, text: str, size: int, token_starts: TokenStarts
) -> Iterator[tuple[Piece, int]]:
    """Sentences of a message with their tokens, none longer than ``size``."""
    starts = token_starts(text)
    if not text:
        yield Piece(number, 0, 0), 0
    for begin, end in tiling_sentences(text):
        first, after = bisect_left(starts, begin), bisect_left(starts, end)
        for token in range(first + size, after, size):
            yield Piece(number, begin, starts[token]), size
            begin, first = starts[token], token
        yield Piece(number, begin, end), after - first
