"""The seam: what the runner asks of anything that remembers.

An exception whose ``of_one_prompt`` is true says that one history or question of a batch is at
fault; the runner goes on in halves until it can name that one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

from deltamem_base.identities import MethodDescription
from deltamem_evaluations.sample import Decoding, History, Prompt

__all__ = [
    "Answer",
    "LookedUp",
    "MemoryMethod",
    "OnAnswer",
    "SizedReport",
    "WeighedAnswer",
    "WriteReport",
    "WritingAnswer",
]

Finish = Literal["stop", "length", "window"]
"""End of an answer: by a stop token, its limit of new tokens, or the model's window."""
Side = Literal["start", "end", "middle"]
"""A part of a history."""


OnAnswer = Callable[[int, Any], None]
"""Is told the number of a prompt, among those that were asked together, and its answer."""


class WriteReport(Protocol):
    """Tokens and time that one piece of history took."""

    @property
    def written_tokens(self) -> int:
        """Tokens that went into the memory; 0 for a method that writes nothing."""

    @property
    def original_tokens(self) -> int:
        """Tokens of the history before any cut."""

    @property
    def read_tokens(self) -> int:
        """Tokens of the history that the method took in, in whatever form, each counted once.

        Counted by what it holds, as the backbone renders it; 0 for a method that takes nothing in.
        """

    @property
    def shown_tokens(self) -> int:
        """Tokens of it that stay in view."""

    @property
    def cut_side(self) -> Side | None:
        """Part that was cut from view; None when nothing was."""

    @property
    def cut_tokens(self) -> int:
        """Tokens that were to be in view, or to be learnt, and were cut."""

    @property
    def seconds(self) -> float:
        """Wall time, a share of the batch's."""


class Answer(Protocol):
    """One answer and what it cost."""

    @property
    def text(self) -> str:
        """The answer without special tokens, stripped."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens in view when the first token was generated."""

    @property
    def new_tokens(self) -> int:
        """Generated tokens, the one that stopped it included."""

    @property
    def seconds(self) -> float:
        """Wall time, a share of the batch's."""

    @property
    def finish(self) -> Finish:
        """``stop``, ``length``, or ``window`` where the model's window ended the answer."""

    @property
    def opened_thinking(self) -> bool:
        """Whether the prompt ended with an opened ``<think>``, which the text then goes on with."""


@runtime_checkable
class SizedReport(Protocol):
    """A report of a method whose histories leave more or less behind."""

    @property
    def state_bytes(self) -> int:
        """Bytes that the history left behind."""


@runtime_checkable
class WritingAnswer(Protocol):
    """An answer that was written to the memory as well."""

    @property
    def written_tokens(self) -> int:
        """Tokens of the question and the answer that went into the memory."""


@runtime_checkable
class LookedUp(Protocol):
    """An answer for which units of the history were looked up."""

    @property
    def recalled_units(self) -> int:
        """Units in view."""

    @property
    def dropped_units(self) -> int:
        """Units that were looked up and did not fit in view."""


@runtime_checkable
class WeighedAnswer(Protocol):
    """An answer that may have been given with its prompt, and weighed."""

    @property
    def nats(self) -> float | None:
        """Minus its log-probability per token, in nats; None where it could not be weighed."""


class MemoryMethod(Protocol):
    """δ-mem, a baseline, or the bare backbone.

    ``write`` never sees a question; ``answer`` leaves the memory as it found it.
    """

    def describe(self) -> MethodDescription:
        """Identity and size: whatever, if it changed, would make the answers others."""

    def reset(self, batch: int = 1) -> None:
        """Start ``batch`` empty histories."""

    def write(self, histories: Sequence[History]) -> Sequence[WriteReport]:
        """Append one piece to each history of the batch."""

    def answer(
        self,
        prompts: Sequence[Prompt],
        decoding: Decoding,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = ...,
    ) -> Sequence[Answer]:
        """Answer questions about any of the histories; the answers come in the order given.

        An answer may also be a :class:`LookedUp`, a :class:`WritingAnswer` or, where prompts have
        an answer already (``given``, in all of a call or in none), a :class:`WeighedAnswer`. A
        method that can weigh none answers as ever.

        Args:
            prompts: the questions.
            decoding: how all of them are decoded.
            side_by_side: answers that are decoded at once, at most; None: all.
            on_answer: may be told of each answer as it ends, in any order, so that it is stored
                before the others are there.
        """

    def state_dict(self) -> Mapping[str, object]:
        """All that the histories left behind."""

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Go on from what :meth:`state_dict` gave: the same questions get the same answers."""
