"""Inputs of a memory method, named by the fields that are read.

The evaluation side owns the classes; nothing here imports them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

__all__ = [
    "CutLike",
    "DecodingLike",
    "HistoryLike",
    "Messages",
    "OnAnswer",
    "PromptLike",
    "system_turn",
    "told_by",
    "unheard",
]

Messages = Sequence[Mapping[str, str]]
"""Role and content of each message, in the order in which they were said."""

OnAnswer = Callable[[int, Any], None]
"""Is told the number of a prompt, among those that were asked together, and its answer."""


class CutLike(Protocol):
    """How a history is shortened when it does not fit in view."""

    @property
    def side(self) -> str:
        """The part that goes: the ``start`` (oldest), the ``end`` or the ``middle``."""

    @property
    def max_chars(self) -> int | None:
        """A limit of the benchmark's own, in characters over all contents; None for none."""


class HistoryLike(Protocol):
    """A piece of conversation that comes before the questions."""

    @property
    def messages(self) -> Messages:
        """Messages that stay in view, where any do."""

    @property
    def written(self) -> Messages:
        """Messages that are written to the memory; other than ``messages`` only under a control."""

    @property
    def join(self) -> str | None:
        """Text between messages of one role that share a turn; None: a turn for each."""

    @property
    def cut(self) -> CutLike:
        """The cut of a history in view that is too long."""

    @property
    def reserve(self) -> int:
        """Tokens to keep free for the question and the answer."""


class PromptLike(Protocol):
    """A question about one of the histories."""

    @property
    def question(self) -> str:
        """Text of the last user turn."""

    @property
    def asked(self) -> str | None:
        """The question without directions for its answer, to look things up; None: all of it."""

    @property
    def history(self) -> int:
        """Number of the history in the batch."""

    @property
    def seed(self) -> int:
        """Seed of this answer's random numbers."""

    @property
    def given(self) -> str | None:
        """An answer to be weighed; None where one is to be generated."""


class DecodingLike(Protocol):
    """How to decode. ``temperature`` 0 is greedy; ``top_k`` 0 and ``top_p`` 1 are off."""

    @property
    def max_new_tokens(self) -> int:
        """Tokens after which an answer is cut off."""

    @property
    def temperature(self) -> float:
        """Divides the logits before sampling."""

    @property
    def top_p(self) -> float:
        """Probability mass to sample from."""

    @property
    def top_k(self) -> int:
        """Number of most likely tokens to sample from."""


def unheard(number: int, answer: object) -> None:
    """Nobody waits for single answers."""


def told_by(numbers: Sequence[int], on_answer: OnAnswer) -> OnAnswer:
    """A listener for some of the prompts, the n-th of which is number ``numbers[n]`` among all."""

    def tell(number: int, answer: object) -> None:
        on_answer(numbers[number], answer)

    return tell


def system_turn(messages: Messages) -> Messages:
    """The instructions that stay when a history is dropped: its leading system message, if any."""
    return [m for m in messages[:1] if m["role"] == "system"]
