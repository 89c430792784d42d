"""The backbone alone: no memory. The reference row of every table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deltamem.backbone import (
    Backbone,
    DecodingLike,
    DroppedContext,
    Generation,
    HistoryLike,
    OnAnswer,
    PromptLike,
    VisibleContext,
    unheard,
)
from deltamem.backbone.contexts.visible import ReadReport
from deltamem_base.faults import check_choice
from deltamem_base.identities import MethodDescription

__all__ = ["Frozen", "Shown"]

CONTEXTS = ("visible", "none")


@dataclass(frozen=True, kw_only=True)
class Shown(ReadReport):
    """Tokens of a piece of history that came into view; nothing is written anywhere else."""

    written_tokens: int = 0
    state_bytes: int = 0
    """Bytes that the whole history left behind so far, beside what is in view."""


class Frozen:
    """``context=visible``: the history is in the prompt; ``none``: only its instructions are."""

    def __init__(self, backbone: Backbone, *, context: str = "visible") -> None:
        """A method over one backbone.

        Raises:
            InvalidInput: another context.
        """
        check_choice("context", context, CONTEXTS)
        self.backbone, self.context = backbone, context
        self.reset()

    def describe(self) -> MethodDescription:
        """Nothing is trained and nothing kept."""
        return MethodDescription()

    def reset(self, batch: int = 1) -> None:
        """Start ``batch`` empty histories."""
        kind = VisibleContext if self.context == "visible" else DroppedContext
        self._context = kind(self.backbone, batch=batch)

    def write(self, histories: Sequence[HistoryLike]) -> list[Shown]:
        """Read one piece more of each history into the KV cache, or drop it."""
        return [Shown(**vars(report)) for report in self._context.read(histories)]

    def answer(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = unheard,
    ) -> list[Generation]:
        """Answer each prompt after a copy of its history's KV cache, or on its own."""
        return self._context.ask(prompts, decoding, side_by_side=side_by_side, on_answer=on_answer)

    def state_dict(self) -> dict[str, object]:
        """The messages in view, or the instructions that were kept."""
        return self._context.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.reset(len(state["messages"]))
        self._context.load_state_dict(state)
