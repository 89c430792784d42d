"""Histories that stay in view: read once into a KV cache, asked about many times."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deltamem.backbone.backbone import Backbone
from deltamem.backbone.cache import MemoryCache
from deltamem.backbone.contexts.truncation import fit_messages
from deltamem.backbone.generation.answering import answer_prompts
from deltamem.backbone.generation.decoding_loop import Start
from deltamem.backbone.generation.generation import Generation
from deltamem.backbone.generation.next_logits import NextLogits, left_pad
from deltamem.backbone.inputs import (
    DecodingLike,
    HistoryLike,
    Messages,
    OnAnswer,
    PromptLike,
    unheard,
)
from deltamem.backbone.rendering.rendering import Rendered
from deltamem.backbone.rotation import rotated_alike
from deltamem_base.faults import InvalidInput

__all__ = ["FittedHistory", "ReadPass", "ReadReport", "Reader", "VisibleContext", "fit_history"]


@dataclass(frozen=True, eq=False, kw_only=True)
class ReadPass:
    """One forward over what is new in the histories."""

    ids: Tensor
    """(B, T), padding on the left."""
    mask: Tensor
    """(B, past + T) bool."""
    rendered: Sequence[Rendered]
    """Per row the whole history so far; its last tokens are those of this pass."""
    new_tokens: Sequence[int]
    """Per row how many tokens are new."""
    cache: MemoryCache

    @property
    def positions(self) -> Tensor:
        """(B, T): place of each new token among the real ones."""
        return (self.mask.long().cumsum(1) - 1).clamp_min(0)[:, -self.ids.shape[1] :]


Reader = Callable[[ReadPass], None]
"""Runs the backbone over a pass, filling its cache."""


@dataclass(frozen=True, kw_only=True)
class ReadReport:
    """Tokens of a history that came into view, and those that were cut."""

    original_tokens: int
    shown_tokens: int
    cut_side: str | None
    """The part that went; None when nothing was cut."""
    seconds: float
    read_tokens: int
    """Tokens that were taken in, each counted once."""
    cut_tokens: int = 0
    """Tokens that went."""


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedHistory:
    """The part of a history that comes into view."""

    messages: Messages
    rendered: Rendered
    original_tokens: int
    """Tokens of the whole history."""


def fit_history(backbone: Backbone, messages: Messages, history: HistoryLike) -> FittedHistory:
    """Messages that come into view under the cut and the reserve of ``history``, rendered."""
    whole = backbone.render_history(messages, join=history.join)

    def rendered(some: Messages) -> Rendered:
        # most histories fit, and those are rendered once
        same = list(some) == list(messages)
        return whole if same else backbone.render_history(some, join=history.join)

    # a reserve beyond the window would leave no history at all; the answer is cut instead
    reserve = min(history.reserve, backbone.window // 2)
    fitted = fit_messages(
        messages,
        cut=history.cut,
        budget=backbone.window - reserve,
        count=lambda some: len(rendered(some).ids),
    )
    return FittedHistory(messages=fitted, rendered=rendered(fitted), original_tokens=len(whole.ids))


class VisibleContext:
    """A batch of histories in one left-padded cache, which asking never changes."""

    def __init__(self, backbone: Backbone, *, batch: int) -> None:
        """``batch`` empty histories."""
        self.backbone = backbone
        self.cache = MemoryCache(config=backbone.model.config)
        self._messages: list[Messages] = [()] * batch
        self._shown: list[Messages] = [()] * batch
        self._ids: list[list[int]] = [[] for _ in range(batch)]
        self._join: str | None = None
        self._mask = torch.zeros(batch, 0, dtype=torch.bool, device=backbone.device)

    def read(
        self, histories: Sequence[HistoryLike], *, reader: Reader | None = None
    ) -> list[ReadReport]:
        """Append one piece to each history; read again from the start where a cut moves.

        Args:
            histories: the pieces, one for each history of the batch.
            reader: runs the backbone over a pass; None is the bare backbone.

        Raises:
            InvalidInput: instructions that do not fit, or messages the template refuses.
        """
        started = time.perf_counter()
        self._join = histories[0].join
        self._messages = [[*m, *h.messages] for m, h in zip(self._messages, histories, strict=True)]
        fitted = [
            fit_history(self.backbone, messages, h)
            for messages, h in zip(self._messages, histories, strict=True)
        ]
        self._shown = [one.messages for one in fitted]
        rendered = [one.rendered for one in fitted]
        reach = [len(r.ids) + h.reserve for r, h in zip(rendered, histories, strict=True)]
        self._fill(rendered, reader or self._read_bare, reach=reach)
        seconds = (time.perf_counter() - started) / len(histories)
        return [
            ReadReport(
                original_tokens=one.original_tokens,
                shown_tokens=len(ids),
                cut_side=h.cut.side if len(ids) < one.original_tokens else None,
                seconds=seconds,
                read_tokens=len(ids),
                cut_tokens=max(0, one.original_tokens - len(ids)),
            )
            for one, ids, h in zip(fitted, self._ids, histories, strict=True)
        ]

    def ask(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        next_logits: NextLogits | None = None,
        side_by_side: int | None = None,
        rows_stay: bool = False,
        on_answer: OnAnswer = unheard,
    ) -> list[Generation]:
        """Answer prompts, or weigh given answers, each about its history, from copies of the cache.

        What a history reserves decides how a model is rotated that depends on the length (see
        :mod:`deltamem.backbone.rotation`): its questions are rotated as it was.

        A backbone with sliding-window layers counts padding as distance, and there is some between
        a short history and its question, so it is asked one question at a time. The other settings
        are those of :func:`generate`.
        """
        return answer_prompts(
            self.backbone,
            prompts,
            [self.question_ids(prompt) for prompt in prompts],
            decoding,
            start=Start(
                cache=self.cache, rows=[prompt.history for prompt in prompts], past=self._mask
            ),
            next_logits=next_logits,
            side_by_side=1 if any(self.cache.is_sliding) else side_by_side,
            rows_stay=rows_stay,
            on_answer=on_answer,
        )

    def state_dict(self) -> dict[str, Any]:
        """The messages in view; their keys and values are read again when they are loaded."""
        return {
            "messages": [list(messages) for messages in self._messages],
            "shown": [list(messages) for messages in self._shown],
            "join": self._join,
            "reach": self.cache.reach,
        }

    def load_state_dict(self, state: Mapping[str, Any], *, reader: Reader | None = None) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._messages, self._shown = list(state["messages"]), list(state["shown"])
        self._join = state["join"]
        self._ids = [[] for _ in self._messages]
        self._mask = self._mask.new_zeros(len(self._messages), 0)
        self.cache = MemoryCache(config=self.backbone.model.config)
        rendered = [self.backbone.render_history(s, join=self._join) for s in self._shown]
        self._fill(rendered, reader or self._read_bare, reach=state["reach"])

    def shown_tokens(self, history: int) -> int:
        """Number of tokens of one history that are in view."""
        return len(self._ids[history])

    def question_ids(self, prompt: PromptLike) -> list[int]:
        """Tokens of a prompt after those of its history, generation prompt included.

        Raises:
            InvalidInput: the chat template rewrites the history once this question follows.
        """
        read = self._ids[prompt.history]
        turn = {"role": "user", "content": prompt.question}
        ids = self.backbone.render(
            [*self._shown[prompt.history], turn], join=self._join, add_generation_prompt=True
        ).ids
        if ids[: len(read)] != read:
            raise InvalidInput(
                f"the chat template of {self.backbone.name} rewrites the history when this "
                "question follows it, so the history cannot be read ahead"
            )
        return ids[len(read) :]

    @torch.no_grad()
    def _fill(
        self, rendered: Sequence[Rendered], reader: Reader, *, reach: Sequence[int] | None
    ) -> None:
        old = self._ids
        rewritten = any(r.ids[: len(ids)] != ids for r, ids in zip(rendered, old, strict=True))
        if rewritten or not rotated_alike(self.backbone.model, self.cache.reach, reach):
            self.cache = MemoryCache(config=self.backbone.model.config)
            self._mask = self._mask[:, :0]
            old = [[] for _ in rendered]
        self.cache.reach = reach
        fresh = [r.ids[len(ids) :] for r, ids in zip(rendered, old, strict=True)]
        self._ids = [r.ids for r in rendered]
        ids, mask = left_pad(fresh, fill=self.backbone.pad_id, device=self.backbone.device)
        if not ids.shape[1]:
            return
        self._mask = torch.cat([self._mask, mask], dim=1)
        reader(
            ReadPass(
                ids=ids,
                mask=self._mask,
                rendered=rendered,
                new_tokens=[len(row) for row in fresh],
                cache=self.cache,
            )
        )

    def _read_bare(self, run: ReadPass) -> None:
        self.backbone.model.get_decoder()(
            input_ids=run.ids,
            attention_mask=run.mask.long(),
            position_ids=run.positions,
            past_key_values=run.cache,
            use_cache=True,
        )
