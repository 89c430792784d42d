"""Histories while δ-mem reads them: only in the state, or also in view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from torch import Tensor

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.attachment.attach import Attachment
from deltamem.backbone import (
    Backbone,
    DecodingLike,
    DroppedContext,
    Generation,
    HistoryLike,
    MemoryCache,
    Messages,
    OnAnswer,
    PromptLike,
    VisibleContext,
)
from deltamem.backbone.contexts.visible import Reader, ReadPass
from deltamem.memory.writing import segment_ids, write_windows
from deltamem.state import MemoryState
from deltamem_base.faults import InvalidInput

__all__ = ["Asked", "Context", "InView", "Taken", "WrittenOnly"]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Cost of taking in one piece of history, and the part of it that is in view."""

    written_tokens: int
    original_tokens: int
    read_tokens: int
    """Tokens of the history that were written or shown, each counted once."""
    shown_tokens: int = 0
    cut_side: str | None = None
    cut_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Prompts about histories, and how they are answered."""

    prompts: Sequence[PromptLike]
    decoding: DecodingLike
    state: MemoryState
    """State that the prompts find, which need not be the one that was left behind."""
    side_by_side: int | None
    """Prompts that are decoded at once, at most; None takes all of them."""
    on_answer: OnAnswer
    """Called with the number of a prompt and its answer as soon as that is there."""


class Context(Protocol):
    """B histories as one memory method holds them."""

    state: MemoryState
    """The state that they left; B sequences."""

    def write(self, attached: Attachment, histories: Sequence[HistoryLike]) -> list[Taken]:
        """Append one piece to each history."""

    def ask(self, attached: Attachment, asked: Asked) -> list[Generation]:
        """Answer each prompt."""

    def state_dict(self) -> dict[str, object]:
        """Messages and states, as plain values and tensors."""

    def load_state_dict(self, attached: Attachment, content: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""


class WrittenOnly:
    """``context=none``: text, keys and values are dropped; a prompt holds only its question."""

    def __init__(self, backbone: Backbone, memory: DeltaMemory, *, batch: int, window: int) -> None:
        """``window``: tokens per write pass at most."""
        self.backbone, self.window = backbone, window
        self.state = memory.zeros(batch)
        self._dropped = DroppedContext(backbone, batch=batch)
        self._messages: list[Messages] = [()] * batch
        self._ids: list[list[int]] = [[] for _ in range(batch)]

    def write(self, attached: Attachment, histories: Sequence[HistoryLike]) -> list[Taken]:
        """Append one piece to each history.

        Raises:
            InvalidInput: the chat template shows earlier turns differently now.
        """
        self._dropped.keep_instructions(histories)
        self._messages = [[*m, *h.written] for m, h in zip(self._messages, histories, strict=True)]
        rendered = [
            self.backbone.render_history(messages, join=h.join)
            for messages, h in zip(self._messages, histories, strict=True)
        ]
        for r, before in zip(rendered, self._ids, strict=True):
            if r.ids[: len(before)] != before:
                raise InvalidInput(
                    f"the chat template of {self.backbone.name} rewrites earlier turns when others "
                    "follow; write this history in one piece"
                )
        self.state = write_windows(
            attached,
            self.backbone,
            rendered,
            state=self.state,
            window=self.window,
            start=[len(before) for before in self._ids],
        )
        new = [len(r.ids) - len(before) for r, before in zip(rendered, self._ids, strict=True)]
        self._ids = [r.ids for r in rendered]
        return [Taken(written_tokens=n, original_tokens=n, read_tokens=n) for n in new]

    def ask(self, attached: Attachment, asked: Asked) -> list[Generation]:
        """Answer prompts that hold the instructions and the question."""
        return self._dropped.ask(
            asked.prompts,
            asked.decoding,
            memory=asked.state,
            side_by_side=asked.side_by_side,
            on_answer=asked.on_answer,
        )

    def state_dict(self) -> dict[str, object]:
        """Messages and states."""
        return {
            "messages": [list(messages) for messages in self._messages],
            "ids": self._ids,
            "kept": self._dropped.state_dict(),
            "layers": dict(self.state.clone().layers),
        }

    def load_state_dict(self, attached: Attachment, content: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._messages, self._ids = list(content["messages"]), list(content["ids"])
        self._dropped.load_state_dict(content["kept"])
        self.state = MemoryState(content["layers"], attached.memory.identity).clone()


class InView:
    """``context=visible``: what is shown is also what writes, in one pass.

    Under a control that has something else written, that is written first, alone, and what is
    shown is read with writes off.
    """

    def __init__(
        self,
        backbone: Backbone,
        memory: DeltaMemory,
        *,
        batch: int,
        window: int,
        write_answers: bool,
    ) -> None:
        """``write_answers``: question and answer tokens write too, for this answer only."""
        self._visible = VisibleContext(backbone, batch=batch)
        self._aside = WrittenOnly(backbone, memory, batch=batch, window=window)
        self._write_answers = write_answers
        self.state = self._aside.state

    def write(self, attached: Attachment, histories: Sequence[HistoryLike]) -> list[Taken]:
        """Append one piece to each history."""
        together = all(h.messages == h.written for h in histories)
        aside = [] if together else self._aside.write(attached, histories)
        if aside:
            self.state = self._aside.state
        reports = self._visible.read(histories, reader=self._reader(attached, write=together))
        if together and self._visible.cache.memory is not None:
            self.state = self._visible.cache.memory
        return [
            Taken(
                written_tokens=aside[i].written_tokens if aside else r.shown_tokens,
                original_tokens=r.original_tokens,
                read_tokens=r.read_tokens,
                shown_tokens=r.shown_tokens,
                cut_side=r.cut_side,
                cut_tokens=r.cut_tokens,
            )
            for i, r in enumerate(reports)
        ]

    def ask(self, attached: Attachment, asked: Asked) -> list[Generation]:
        """Answer prompts whose history is in the KV cache."""
        self._visible.cache.memory = asked.state

        def counted(number: int, answer: Generation) -> Generation:
            if not self._write_answers:
                return answer
            return replace(answer, written_tokens=self._taken_in(answer, asked.prompts[number]))

        # a given answer that writes nothing is weighed in one forward of the model's own
        weighed = not self._write_answers and all(p.given is not None for p in asked.prompts)
        answers = self._visible.ask(
            asked.prompts,
            asked.decoding,
            next_logits=None if weighed else partial(self._step, attached),
            side_by_side=asked.side_by_side,
            on_answer=lambda number, answer: asked.on_answer(number, counted(number, answer)),
        )
        return [counted(number, answer) for number, answer in enumerate(answers)]

    def _step(
        self,
        attached: Attachment,
        ids: Tensor,
        mask: Tensor,
        positions: Tensor,
        cache: MemoryCache,
        numbers: Sequence[int],
    ) -> Tensor:
        """A prompt is one segment, and so is each token of its answer; see ``NextLogits``."""
        output, _ = attached.forward(
            ids,
            mask.long(),
            position_ids=positions,
            write=self._write_answers,
            segments=ids.new_zeros(ids.shape),
            past_key_values=cache,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1].float()
        return logits

    def _taken_in(self, answer: Generation, prompt: PromptLike) -> int:
        """Number of tokens that ran through the model after the history: all but the last one."""
        question = answer.prompt_tokens - self._visible.shown_tokens(prompt.history)
        return question + answer.new_tokens - 1

    def state_dict(self) -> dict[str, object]:
        """Messages and states; the KV cache is read again when they are loaded."""
        return {
            "view": self._visible.state_dict(),
            "aside": self._aside.state_dict(),
            "layers": dict(self.state.clone().layers),
        }

    def load_state_dict(self, attached: Attachment, content: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self._aside.load_state_dict(attached, content["aside"])
        self.state = MemoryState(content["layers"], attached.memory.identity).clone()
        together = not any(content["aside"]["messages"])
        reader = self._reader(attached, write=together)
        self._visible.load_state_dict(content["view"], reader=reader)

    def _reader(self, attached: Attachment, *, write: bool) -> Reader:
        unit = attached.memory.config.writer.segment_unit

        def read(run: ReadPass) -> None:
            new = [
                slice(len(r.ids) - n, None)
                for r, n in zip(run.rendered, run.new_tokens, strict=True)
            ]
            attached.forward(
                run.ids,
                run.mask.long(),
                state=None if write else self.state,
                write=write,
                segments=segment_ids(unit, run.rendered, new, like=run.ids),
                logits=False,
                position_ids=run.positions,
                past_key_values=run.cache,
            )

        return read
