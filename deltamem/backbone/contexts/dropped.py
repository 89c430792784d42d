"""Histories that are out of view: a prompt holds their instructions and the question."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from deltamem.backbone.backbone import Backbone
from deltamem.backbone.cache import MemoryCache
from deltamem.backbone.contexts.visible import ReadReport
from deltamem.backbone.generation.answering import answer_prompts
from deltamem.backbone.generation.decoding_loop import Start
from deltamem.backbone.generation.generation import Generation
from deltamem.backbone.generation.next_logits import NextLogits
from deltamem.backbone.inputs import (
    DecodingLike,
    HistoryLike,
    Messages,
    OnAnswer,
    PromptLike,
    system_turn,
    unheard,
)
from deltamem.state import MemoryState

__all__ = ["DroppedContext"]


class DroppedContext:
    """A batch of histories of which only the leading system message is kept."""

    def __init__(self, backbone: Backbone, *, batch: int) -> None:
        """``batch`` empty histories."""
        self.backbone = backbone
        self._messages: list[Messages] = [()] * batch

    def read(self, histories: Sequence[HistoryLike]) -> list[ReadReport]:
        """Append one piece to each history, say how long it is, and drop it."""
        started = time.perf_counter()
        self.keep_instructions(histories)
        counts = [len(self.backbone.render_history(h.messages, join=h.join).ids) for h in histories]
        seconds = (time.perf_counter() - started) / len(histories)
        return [
            ReadReport(
                original_tokens=count,
                shown_tokens=0,
                cut_side=None,
                seconds=seconds,
                read_tokens=0,
            )
            for count in counts
        ]

    def keep_instructions(self, histories: Sequence[HistoryLike]) -> None:
        """Append one piece to each history, and drop it unread."""
        self._messages = [
            system_turn([*m, *h.messages]) for m, h in zip(self._messages, histories, strict=True)
        ]

    def ask(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        memory: MemoryState | None = None,
        next_logits: NextLogits | None = None,
        side_by_side: int | None = None,
        rows_stay: bool = False,
        on_answer: OnAnswer = unheard,
    ) -> list[Generation]:
        """Answer prompts, or weigh given answers; ``memory`` is read, one sequence per history.

        The other settings are those of :func:`generate`.
        """
        cache = MemoryCache(config=self.backbone.model.config, memory=memory)
        return answer_prompts(
            self.backbone,
            prompts,
            [self.prompt_ids(prompt) for prompt in prompts],
            decoding,
            start=Start(cache=cache, rows=[prompt.history for prompt in prompts]),
            next_logits=next_logits,
            side_by_side=side_by_side,
            rows_stay=rows_stay,
            on_answer=on_answer,
        )

    def state_dict(self) -> dict[str, object]:
        """The instructions that were kept."""
        return {"messages": [list(messages) for messages in self._messages]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._messages = list(state["messages"])

    def prompt_ids(self, prompt: PromptLike) -> list[int]:
        """Tokens of the instructions and the question, generation prompt included."""
        turn = {"role": "user", "content": prompt.question}
        messages = [*self._messages[prompt.history], turn]
        return self.backbone.render(messages, add_generation_prompt=True).ids
