"""Messages to tokens, with the message and the sentence that each token belongs to.

Any chat template works: it is applied once more with marks in place of the contents, which shows
what it puts between them. Consecutive messages of one role may share a turn (``join``): a history
of passages can be one user turn that the question continues, while every passage stays a message
to the writers. Instructions for which a template has no place stand at the start of the first user
turn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deltamem.backbone.inputs import Messages
from deltamem.backbone.rendering.chat_template import ChatTemplate, chat_template
from deltamem.backbone.rendering.spans import (
    Span,
    label,
    message_spans,
    sentences,
    turns_of,
)
from deltamem.backbone.rendering.template_date import TEMPLATE_DATE
from deltamem_base.sentences import skip_space

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Rendered", "render", "render_history"]

PROBES = ("Where", "a", "7")
"""Questions with nothing in common, to find what of a rendered history does not depend on them."""


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
    tokenizer: PreTrainedTokenizerBase,
    messages: Messages,
    *,
    join: str | None = None,
    add_generation_prompt: bool = False,
    template_kwargs: Mapping[str, object] | None = None,
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
    template = chat_template(tokenizer, template_kwargs, template_date)
    text, spans = _shown(template, messages, join, add_generation_prompt=add_generation_prompt)
    return _tokenise(template, text, spans)[0]


def render_history(
    tokenizer: PreTrainedTokenizerBase,
    messages: Messages,
    *,
    join: str | None = None,
    template_kwargs: Mapping[str, object] | None = None,
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
    template = chat_template(tokenizer, template_kwargs, template_date)
    whole: Rendered | None = None
    shared = 0
    for content in PROBES:
        probe = [*messages, {"role": "user", "content": content}]
        text, spans = _shown(template, probe, join)
        rendered, starts = _tokenise(template, text, spans)
        if whole is None:
            end = skip_space(text, spans[-2].end)
            whole, shared = rendered, sum(start < end for start in starts)
        agree = (a == b for a, b in zip(whole.ids, rendered.ids, strict=False))
        shared = min(shared, next((i for i, same in enumerate(agree) if not same), shared))
    assert whole is not None
    return whole.first(shared)


def _shown(
    template: ChatTemplate,
    messages: Messages,
    join: str | None,
    *,
    add_generation_prompt: bool = False,
) -> tuple[str, list[Span]]:
    """The text of the messages, and where each stands in it."""
    turns = turns_of(messages, join=join, system_role=template.system_role)
    text = template.apply(
        [{"role": turn.role, "content": turn.text} for turn in turns],
        add_generation_prompt=add_generation_prompt,
    )
    return text, message_spans(template, text, turns, add_generation_prompt=add_generation_prompt)


def _tokenise(template: ChatTemplate, text: str, spans: list[Span]) -> tuple[Rendered, list[int]]:
    """Tokens with their labels, and where in the text each starts."""
    encoded = template.tokenizer(
        text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
    )
    offsets = encoded["offset_mapping"]
    rendered = Rendered(
        text=text,
        ids=encoded["input_ids"],
        message_ids=label(offsets, spans),
        sentence_ids=label(offsets, list(sentences(text, spans))),
    )
    return rendered, [start for start, _ in offsets]
