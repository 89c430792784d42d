"""Messages to tokens, with the message and the sentence that each token belongs to.

Any chat template works: it is applied once more with marks in place of the contents, which shows
what it puts between them. Consecutive messages of one role may share a turn (``join``): a history
of passages can be one user turn that the question continues, while every passage stays a message
to the writers.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from deltamem.backbone.inputs import Messages
from deltamem.backbone.template_date import TEMPLATE_DATE, dated_template
from deltamem.errors import InvalidInput

__all__ = ["Rendered", "render", "render_history"]

SENTENCE_END = re.compile(r"(?<![.!?])[.!?]++[\"')\]]*(?=\s)|[。！？]+|\n+")
"""Before the white space, because tokens carry the space in front of a word."""

OUTSIDE = -1
MARK = "\ue000{}\ue001"
"""Stands for the content of a message; private-use characters that no template treats specially."""
PROBES = ("Where", "a", "7")
"""Questions with nothing in common, to find what of a rendered history does not depend on them."""


class Span(NamedTuple):
    """Where something stands in the text."""

    start: int
    """Of its header."""
    content: int
    """Of what was said."""
    end: int
    """Its end of turn and white space after it included."""
    number: int


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A tokenised conversation. All lists have one entry per token."""

    text: str
    ids: list[int]
    message_ids: list[int]
    """Number of the message among the non-system ones; -1 for system and template tokens."""
    sentence_ids: list[int]
    """Number of the sentence in the whole conversation; -1 outside of messages."""

    def segments(self, unit: str) -> list[int]:
        """Segment ids for a writer whose ``segment_unit`` is ``message`` or ``sentence``."""
        return {"message": self.message_ids, "sentence": self.sentence_ids}[unit]

    def first(self, count: int) -> Rendered:
        """The first ``count`` tokens; ``text`` stays whole."""
        return Rendered(
            text=self.text,
            ids=self.ids[:count],
            message_ids=self.message_ids[:count],
            sentence_ids=self.sentence_ids[:count],
        )


EMPTY = Rendered(text="", ids=[], message_ids=[], sentence_ids=[])


def render(
    tokenizer: Any,
    messages: Messages,
    *,
    join: str | None = None,
    add_generation_prompt: bool = False,
    template_kwargs: Mapping[str, Any] | None = None,
    template_date: str = TEMPLATE_DATE,
) -> Rendered:
    """Apply the tokenizer's chat template and tokenise.

    Args:
        tokenizer: a fast tokenizer with a chat template.
        messages: role and content of each.
        join: text between consecutive messages of one role, which then share a turn; None gives
            each message a turn of its own.
        add_generation_prompt: end with the header of an assistant turn.
        template_kwargs: switches of the template, such as ``enable_thinking=False``.
        template_date: YYYY-MM-DD, the day that the template takes for today.

    Raises:
        InvalidInput: no chat template, or one that refuses or rewrites these messages.
    """
    if not messages and not add_generation_prompt:
        return EMPTY
    options = {
        **_options(tokenizer, template_kwargs, template_date),
        "add_generation_prompt": add_generation_prompt,
    }
    text = _apply_template(tokenizer, messages, join, options)
    return _tokenise(tokenizer, text, _spans(tokenizer, text, messages, join, options))[0]


def render_history(
    tokenizer: Any,
    messages: Messages,
    *,
    join: str | None = None,
    template_kwargs: Mapping[str, Any] | None = None,
    template_date: str = TEMPLATE_DATE,
) -> Rendered:
    """The messages as they look once a user turn follows them, without that turn.

    Templates render the last turn differently once another follows (they drop its thinking), so
    the history is rendered with several questions after it; its tokens are those up to the end of
    its last message that all of them share.

    Raises:
        InvalidInput: as :func:`render`.
    """
    if not messages:
        return EMPTY
    options = _options(tokenizer, template_kwargs, template_date)
    whole: Rendered | None = None
    shared = 0
    for content in PROBES:
        probe = [*messages, {"role": "user", "content": content}]
        text = _apply_template(tokenizer, probe, join, options)
        spans = _spans(tokenizer, text, probe, join, options)
        rendered, starts = _tokenise(tokenizer, text, spans)
        if whole is None:
            end = _skip_space(text, spans[-2].end)
            whole, shared = rendered, sum(start < end for start in starts)
        agree = (a == b for a, b in zip(whole.ids, rendered.ids, strict=False))
        shared = min(shared, next((i for i, same in enumerate(agree) if not same), shared))
    assert whole is not None
    return whole.first(shared)


def _options(
    tokenizer: Any, template_kwargs: Mapping[str, Any] | None, date: str
) -> dict[str, Any]:
    """What the tokenizer is told with the messages."""
    options = dict(template_kwargs or {})
    if tokenizer.chat_template is not None:
        options["chat_template"] = dated_template(tokenizer.get_chat_template(), date)
    return options


def _apply_template(
    tokenizer: Any, messages: Messages, join: str | None, options: Mapping[str, Any]
) -> str:
    from jinja2 import TemplateError

    if tokenizer.chat_template is None:
        raise InvalidInput(f"the tokenizer of {tokenizer.name_or_path} has no chat template")
    turns = [{"role": m["role"], "content": m["content"]} for m in messages]
    if join is not None:
        turns = [
            {"role": role, "content": join.join(message["content"] for message in group)}
            for role, group in groupby(messages, key=lambda message: message["role"])
        ]
    try:
        text: str = tokenizer.apply_chat_template(turns, tokenize=False, **options)
    except TemplateError as fault:
        roles = ", ".join(turn["role"] for turn in turns[:8])
        raise InvalidInput(
            f"the chat template of {tokenizer.name_or_path} refuses turns of the roles {roles}: "
            f"{fault}"
        ) from fault
    return text


def _spans(
    tokenizer: Any,
    text: str,
    messages: Messages,
    join: str | None,
    options: Mapping[str, Any],
) -> list[Span]:
    """Where each message stands: its header, its content, its end of turn; system ones are -1.

    What a template adds of its own (a default system block, a generation prompt) belongs to none.
    """
    eos = tokenizer.eos_token or ""
    pieces = _pieces(tokenizer, messages, join, options)
    spans: list[Span] = []
    at, number = len(pieces[0]), 0
    start = _after_last(pieces[0], eos)
    for position, (message, after) in enumerate(zip(messages, pieces[1:], strict=True)):
        contents = (message["content"], message["content"].strip())
        ends = [at + len(c) for c in contents if text.startswith(c + after, at)]
        if not ends:
            raise InvalidInput(
                f"the chat template does not show message {position} as it is; its tokens cannot "
                "be told from those of its neighbours"
            )
        closing = _skip_space(after, after.find(eos) + len(eos)) if eos and eos in after else 0
        system = message["role"] == "system"
        spans.append(Span(start, at, ends[0] + closing, OUTSIDE if system else number))
        number += not system
        start = ends[0] + _after_last(after, eos)
        at = ends[0] + len(after)
    return spans


def _pieces(
    tokenizer: Any, messages: Messages, join: str | None, options: Mapping[str, Any]
) -> list[str]:
    """What the template puts before, between and after the contents of the messages."""
    marks = [MARK.format(i) for i in range(len(messages))]
    marked = [{**m, "content": mark} for m, mark in zip(messages, marks, strict=True)]
    rest, pieces = _apply_template(tokenizer, marked, join, options), []
    for mark in marks:
        before, _, rest = rest.partition(mark)
        pieces.append(before)
    return [*pieces, rest]


def _after_last(piece: str, eos: str) -> int:
    """Where the next header starts: after the last end of turn and its white space."""
    return _skip_space(piece, piece.rfind(eos) + len(eos)) if eos and eos in piece else 0


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _tokenise(tokenizer: Any, text: str, spans: Sequence[Span]) -> tuple[Rendered, list[int]]:
    """Tokens with their labels, and where in the text each starts."""
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    starts = [start for start, _ in encoded["offset_mapping"]]
    rendered = Rendered(
        text=text,
        ids=encoded["input_ids"],
        message_ids=_label(starts, spans),
        sentence_ids=_label(starts, list(_sentences(text, spans))),
    )
    return rendered, starts


def _sentences(text: str, spans: Sequence[Span]) -> Iterator[Span]:
    """Cut contents into sentences; a header goes with the first, an end of turn with the last."""
    number = 0
    for span in spans:
        if span.number == OUTSIDE:
            continue
        cut = span.start
        for match in SENTENCE_END.finditer(text, span.content, span.end):
            if match.end() < span.end and text[max(cut, span.content) : match.end()].strip():
                yield Span(cut, cut, match.end(), number)
                number, cut = number + 1, match.end()
        yield Span(cut, cut, span.end, number)
        number += 1


def _label(starts: Sequence[int], spans: Sequence[Span]) -> list[int]:
    """The number of the span in which each token starts, -1 for none; both are ascending."""
    labels = [OUTSIDE] * len(starts)
    for span in spans:
        first, end = bisect_left(starts, span.start), bisect_left(starts, span.end)
        labels[first:end] = [span.number] * (end - first)
    return labels
