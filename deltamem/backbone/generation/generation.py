"""An answer that was decoded or weighed, and how long one may be."""

from __future__ import annotations

from dataclasses import dataclass

from deltamem.backbone.backbone import Backbone
from deltamem.backbone.inputs import DecodingLike

__all__ = ["Generation", "answer_limit"]


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One answer and what it cost."""

    text: str
    """The answer without special tokens, stripped."""
    prompt_tokens: int
    """Tokens in view when the first token was generated, those of a kept history included."""
    new_tokens: int
    seconds: float
    """Shares of the answer in the wall time of all passes that it was in."""
    finish: str
    """``stop``, ``length``, or ``window`` where the model's window ended the answer."""
    opened_thinking: bool = False
    """Whether the prompt ended with an opened ``<think>``, which the text then goes on with."""
    written_tokens: int = 0
    """Tokens of the question and the answer that a memory took in while answering."""
    nats: float | None = None
    """Minus log p of an answer that was given, per token; None for one that was generated."""


def answer_limit(backbone: Backbone, in_view: int, decoding: DecodingLike) -> int:
    """New tokens after a prompt of so many, at most: those asked for, if the window holds them."""
    return min(decoding.max_new_tokens, max(1, backbone.window - in_view))
