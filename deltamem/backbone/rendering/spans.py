"""Where messages stand in the text that a chat template made of them, and which tokens are theirs.

A message has its content, the header in front of it and the end of turn behind it. In a turn that
several messages share, the text between two of them goes with the former, so that nothing but a
message is ever a segment; a message without any content leaves it to the one before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

from deltamem.backbone.inputs import Messages
from deltamem.backbone.rendering.chat_template import ChatTemplate, mark
from deltamem_base.faults import InvalidInput
from deltamem_base.sentences import sentence_ends, skip_space

__all__ = [
    "OUTSIDE",
    "Span",
    "Turn",
    "label",
    "message_spans",
    "sentences",
    "turns_of",
]

OUTSIDE = -1
"""Number of what belongs to no message."""
AFTER_INSTRUCTIONS = "\n\n"
"""Between instructions and the user turn that takes them in, as in Gemma 3's own template."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """Messages that the template is given as one."""

    role: str
    contents: tuple[str, ...]
    gaps: tuple[str, ...]
    """Text behind each content but the last."""
    numbers: tuple[int, ...]
    """Number of each message among the non-system ones, :data:`OUTSIDE` for a system message."""

    @property
    def text(self) -> str:
        """All that is said in it."""
        return "".join(c + g for c, g in zip(self.contents, (*self.gaps, ""), strict=True))

    @property
    def places(self) -> list[tuple[int, int]]:
        """Start and end of each content in :attr:`text`."""
        sizes = [len(c) + len(g) for c, g in zip(self.contents, (*self.gaps, ""), strict=True)]
        starts = accumulate(sizes[:-1], initial=0)
        return [(start, start + len(c)) for start, c in zip(starts, self.contents, strict=True)]


class Span(NamedTuple):
    """The part of a text that belongs to one message or sentence."""

    start: int
    """Start of its header."""
    content: int
    """Start of what was said."""
    said: int
    """End of what was said."""
    end: int
    """End of all, the end of turn with the white space after it included."""
    number: int


def turns_of(messages: Messages, *, join: str | None, system_role: bool) -> list[Turn]:
    """The turns that a template is given.

    Args:
        messages: role and content of each.
        join: text between consecutive messages of one role, which then share a turn; None gives
            each message a turn of its own.
        system_role: False puts a leading system message at the start of the first user turn, or in
            a user turn of its own where that is not what follows.
    """
    turns: list[Turn] = []
    number = 0
    for position, message in enumerate(messages):
        system = message["role"] == "system"
        own = OUTSIDE if system else number
        number += not system
        role = "user" if system and not position and not system_role else message["role"]
        last = turns[-1] if turns else None
        taken = last is not None and last.numbers == (OUTSIDE,) and last.role == role == "user"
        gap = AFTER_INSTRUCTIONS if taken else join
        if last is not None and last.role == role and gap is not None:
            turns[-1] = Turn(
                role=role,
                contents=(*last.contents, message["content"]),
                gaps=(*last.gaps, gap),
                numbers=(*last.numbers, own),
            )
        else:
            turns.append(Turn(role=role, contents=(message["content"],), gaps=(), numbers=(own,)))
    return turns


def message_spans(
    template: ChatTemplate, text: str, turns: Sequence[Turn], *, add_generation_prompt: bool
) -> list[Span]:
    """One span for each message, ascending; system ones are :data:`OUTSIDE`.

    What a template adds of its own (a default system block, a generation prompt) belongs to none.

    Raises:
        InvalidInput: the template shows a turn otherwise than with white space left out around it.
    """
    closing = re.compile("|".join(map(re.escape, template.closings)) or r"(?!)")
    pieces = _pieces(template, turns, add_generation_prompt)
    spans: list[Span] = []
    at, start = len(pieces[0]), _header(pieces[0], closing)
    for number, (turn, after) in enumerate(zip(turns, pieces[1:], strict=True)):
        shown = _shown(text, at, turn.text, after, last=number == len(turns) - 1)
        if shown is None:
            raise InvalidInput(
                f"the chat template does not show {_position(turns, number)} unchanged, so "
                "its tokens cannot be told apart from those around it"
            )
        closed = closing.search(after)
        end = at + len(shown)
        until = end + skip_space(after, closed.end() if closed else 0)
        spans += _in_turn(turn, shown, Span(start, at, end, until, OUTSIDE))
        start, at = end + _header(after, closing), end + len(after)
    return spans


def _pieces(template: ChatTemplate, turns: Sequence[Turn], prompt: bool) -> list[str]:
    """Text that the template puts before, between and after the turns."""
    marked = [{"role": turn.role, "content": mark(i)} for i, turn in enumerate(turns)]
    rest, pieces = template.apply(marked, add_generation_prompt=prompt), []
    for turn in marked:
        before, _, rest = rest.partition(turn["content"])
        pieces.append(before)
    return [*pieces, rest]


def _shown(text: str, at: int, said: str, after: str, *, last: bool) -> range | None:
    """The characters of ``said`` that stand at ``at``, before ``after``; None if it is not there.

    A template may leave out white space at the start, at the end, or at both.
    """
    core = said.strip()
    first = middle = 0
    if core:
        lead = len(said) - len(said.lstrip())
        here = skip_space(text, at) - at
        first, middle = lead - here, lead + len(core)
        if first < 0 or not text.startswith(said[first:middle], at):
            return None
    candidates = [range(first, stop) for stop in range(len(said), middle - 1, -1)]
    if not core:
        candidates += [range(start, len(said)) for start in range(1, len(said))]
    for shown in candidates:
        ending = said[max(shown.start, middle) : shown.stop] + after
        place = at + max(middle - shown.start, 0)
        whole = not last or place + len(ending) == len(text)
        if whole and text.startswith(ending, place):
            return shown
    return None


def _in_turn(turn: Turn, shown: range, whole: Span) -> Iterator[Span]:
    """Spans of the messages of one turn, of which ``shown`` stands at ``whole.content``."""

    def in_text(place: int) -> int:
        return whole.content + min(max(place, shown.start), shown.stop) - shown.start

    places = [(in_text(start), in_text(end)) for start, end in turn.places]
    # the header goes with the first message, whatever that says
    owners = [i for i, (start, end) in enumerate(places) if not i or end > start]
    ends = {i: places[following][0] for i, following in pairwise(owners)} | {owners[-1]: whole.end}
    start = whole.start
    for i, (content, said) in enumerate(places):
        end = ends.get(i, start)
        yield Span(start, max(content, start), max(said, start), end, turn.numbers[i])
        start = end


def _position(turns: Sequence[Turn], number: int) -> str:
    first = sum(len(turn.contents) for turn in turns[:number])
    count = len(turns[number].contents)
    return f"message {first}" if count == 1 else f"messages {first} to {first + count - 1}"


def _header(piece: str, closing: re.Pattern[str]) -> int:
    """Where the next header starts: after the last end of turn and its white space."""
    ends = [match.end() for match in closing.finditer(piece)]
    return skip_space(piece, ends[-1] if ends else 0)


def sentences(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Cut contents into sentences; a header goes with the first, what comes after with the last."""
    number = 0
    for span in spans:
        if span.number == OUTSIDE or span.end == span.start:
            continue
        cut, content = span.start, span.content
        last = span.content + len(text[span.content : span.said].rstrip())
        for _, end in sentence_ends(text, span.content, last):
            if end < last and text[content:end].strip():
                yield Span(cut, content, end, end, number)
                number, cut, content = number + 1, end, end
        yield Span(cut, content, span.said, span.end, number)
        number += 1


def label(offsets: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[int]:
    """The number of the span to which each token belongs, -1 for none; all are ascending.

    That is the span in which it starts; but a token that starts behind what was said, and reaches
    into what is said next, goes with the latter.
    """
    there = [span for span in spans if span.end > span.start]
    labels, at = [], 0
    for start, end in offsets:
        while at < len(there) and there[at].end <= start:
            at += 1
        number = OUTSIDE
        if at < len(there) and there[at].start <= start:
            reaches = start >= there[at].said and at + 1 < len(there)
            number = there[at + (reaches and end > there[at + 1].content)].number
        labels.append(number)
    return labels
