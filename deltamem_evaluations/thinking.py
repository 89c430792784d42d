"""Thinking: what a model writes between ``<think>`` and ``</think>`` is no part of its answer.

    <think>Ann said so.</think> Paris      Paris
    Ann said so.</think> Paris             Paris, where the prompt itself opened the block
    <think>Ann said Paris, but             no answer: the thinking is unfinished

Predictions are stored whole, and cut where they are scored: :meth:`Benchmark.score` is the one
place, for new answers and for stored ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["THINKING_RULE", "Final", "count_thinking", "final_answer", "whole"]

OPEN, CLOSE = "<think>", "</think>"
BLOCK = re.compile(f"{OPEN}.*?{CLOSE}", re.DOTALL)

THINKING_RULE = (
    "blocks of <think> and all before a lone </think> are cut; an unclosed <think> is no answer"
)
"""The rule in words, for the fingerprint of a benchmark."""


@dataclass(frozen=True, kw_only=True)
class Final:
    """An answer without its thinking."""

    text: str
    """The text that is scored; empty where the thinking is unfinished."""
    cut: bool = False
    """Whether finished thinking was taken off."""
    unfinished: bool = False
    """Whether the answer ended within its thinking."""


def final_answer(prediction: str) -> Final:
    """Cut the thinking from a prediction; one without any stays as it is, to the character.

    >>> final_answer("<think>Lyon? No.</think> Paris").text
    'Paris'
    """
    if OPEN not in prediction and CLOSE not in prediction:
        return Final(text=prediction)
    text = BLOCK.sub("", prediction).rpartition(CLOSE)[2]
    if OPEN in text:
        return Final(text="", unfinished=True)
    return Final(text=text.strip(), cut=True)


def whole(text: str, *, opened: bool) -> str:
    """A generated text as it is stored.

    Args:
        text: generated.
        opened: whether the prompt ended with an opened block, which the text then goes on with:
            without its first tag nothing tells unfinished thinking from an answer.
    """
    return f"{OPEN}\n{text}" if opened else text


def count_thinking(predictions: Iterable[str]) -> dict[str, int]:
    """Numbers of answers whose thinking was ``cut``, and of those that it left ``unfinished``."""
    finals = [final_answer(prediction) for prediction in predictions]
    return {
        "cut": sum(final.cut for final in finals),
        "unfinished": sum(final.unfinished for final in finals),
    }
