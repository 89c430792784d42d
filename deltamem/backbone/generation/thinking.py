"""The tags around a model's thinking: opened by a prompt, and kept in the text of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["decode_with_tags", "opens_thinking", "special_tags"]

OPEN, CLOSE = "<think>", "</think>"
TAIL = 16
"""Tokens that hold the tag and white space after it, also where the tag is spelt out."""


def opens_thinking(tokenizer: PreTrainedTokenizerBase, prompt: Sequence[int]) -> bool:
    """Whether the last tokens of a prompt open a block of thinking and do not close it."""
    tail = str(tokenizer.decode(list(prompt[-TAIL:])))
    return tail.rstrip().endswith(OPEN)


def special_tags(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """Tags that are special tokens, by id: decoding without special tokens would lose them."""
    added = tokenizer.added_tokens_decoder
    return {
        number: token.content
        for number, token in added.items()
        if token.special and token.content in (OPEN, CLOSE)
    }


def decode_with_tags(
    tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], *, tags: Mapping[int, str]
) -> str:
    """Text without special tokens, but with these.

    Args:
        tokenizer: decodes.
        ids: tokens of an answer.
        tags: see :func:`special_tags`; without its tags thinking could not be told from an answer.
    """
    text, run = "", list[int]()
    for token in ids:
        if token in tags:
            text += str(tokenizer.decode(run, skip_special_tokens=True)) + tags[token]
            run = []
        else:
            run.append(token)
    return text + str(tokenizer.decode(run, skip_special_tokens=True))
