"""δ-mem as a method that is evaluated: reset, write histories, answer prompts.

``context=none``: the history is written to the state and dropped; the prompt holds only the
question and the instructions. ``context=visible``: one pass over the history both writes the state
and fills the KV cache. Every question starts from the state that the history left.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.adapter.stored_config import config_keys
from deltamem.backbone import (
    Backbone,
    DecodingLike,
    Generation,
    HistoryLike,
    Messages,
    OnAnswer,
    PromptLike,
    unheard,
)
from deltamem.backbone.contexts.visible import fit_history
from deltamem.memory.inspection import TurnNumbers
from deltamem.memory.observation import write_observed
from deltamem.method.contexts import Asked, Context, InView, Taken, WrittenOnly
from deltamem.state import MemoryState
from deltamem.writers.stored import stored_writer
from deltamem_base.faults import InvalidInput, check_choice
from deltamem_base.identities import MethodDescription

__all__ = ["DeltaMemMethod", "WriteReport"]

CONTEXTS = ("none", "visible")
STATES = ("kept", "zero", "shuffled")


@dataclass(frozen=True, kw_only=True)
class WriteReport(Taken):
    """Cost of taking in one piece of history, with its share of the batch's wall time."""

    seconds: float


class DeltaMemMethod:
    """A backbone with a δ-mem adapter behind the three verbs of an evaluation."""

    def __init__(
        self,
        backbone: Backbone,
        memory: DeltaMemory,
        *,
        context: str = "none",
        state_control: str = "kept",
        window: Annotated[int, Ge(1)] | None = None,
        write_answers: bool = False,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        """A method over one backbone and one adapter.

        Args:
            backbone: the frozen model.
            memory: the adapter.
            context: ``none`` or ``visible``, see the module.
            state_control: what questions find: the state as it was ``kept``, ``zero`` or
                ``shuffled``.
            window: tokens per write pass at most; None is what the backbone attends to.
            write_answers: whether question and answer tokens write too, as in the paper's tables
                with the context in view. The next question finds the state without them.
            seed: of the shuffled control.

        Raises:
            InvalidInput: a context or control that does not exist, or ``write_answers`` where the
                memory is all there is.
        """
        check_choice("context", context, CONTEXTS)
        check_choice("control.state", state_control, STATES)
        if write_answers and context == "none":
            raise InvalidInput(
                "write_answers=true needs context=visible; with context=none, answers are read "
                "only from the state of the history"
            )
        self.backbone, self.memory, self.context = backbone, memory, context
        self._state_control, self._write_answers, self._seed = state_control, write_answers, seed
        self._window = min(window or backbone.window, backbone.window)
        self.reset()

    def describe(self) -> MethodDescription:
        """Provenance: whose weights, how many were trained, how large the state is."""
        config = self.memory.config
        return MethodDescription(
            adapter_sha=self.memory.sha,
            trained_parameters=self.memory.trained_parameters,
            state_bytes=self.memory.zeros(1).nbytes,
            write_answers=self._write_answers,
            settings={
                "adapter_config_sha": _sha(config_keys(config)),
                "writes_by": json.dumps(stored_writer(config.writer)),
                "granularity": config.writer.granularity,
                "num_states": config.writer.num_states,
                "rank": config.rank,
                **self.memory.placement,
                "write_window": self._window,
            },
        )

    def reset(self, batch: int = 1) -> None:
        """Start ``batch`` empty histories."""
        self._context: Context
        if self.context == "none":
            self._context = WrittenOnly(
                self.backbone, self.memory, batch=batch, window=self._window
            )
        else:
            self._context = InView(
                self.backbone,
                self.memory,
                batch=batch,
                window=self._window,
                write_answers=self._write_answers,
            )

    @property
    def state(self) -> MemoryState:
        """The state that the histories left, before any control."""
        return self._context.state

    def write(self, histories: Sequence[HistoryLike]) -> list[WriteReport]:
        """Append one piece to each history, in the state and, where it is visible, in view.

        Raises:
            InvalidInput: the chat template shows earlier turns differently now.
        """
        started = time.perf_counter()
        with self.memory.attach(self.backbone.model) as attached:
            taken = self._context.write(attached, histories)
        seconds = (time.perf_counter() - started) / len(histories)
        return [WriteReport(seconds=seconds, **asdict(t)) for t in taken]

    def observe(self, history: HistoryLike) -> tuple[MemoryState, tuple[TurnNumbers, ...]]:
        """Write one history as :meth:`write` does into an empty state, and watch every turn.

        Returns:
            The state it leaves behind and the numbers of each turn; what was written before stays.
        """
        messages, window = self.watched(history)
        return write_observed(
            self.memory, self.backbone, messages, window=window, join=history.join
        )

    def watched(self, history: HistoryLike) -> tuple[Messages, int]:
        """The messages that :meth:`observe` writes, and the window in tokens that it writes by."""
        if self.context == "visible" and history.messages == history.written:
            fitted = fit_history(self.backbone, history.written, history)
            return fitted.messages, self.backbone.window
        return history.written, self._window

    @torch.no_grad()
    def answer(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = unheard,
    ) -> list[Generation]:
        """Answer each prompt from the state its history left; that state stays as it was."""
        state = self._context.state
        if self._state_control == "zero":
            state = self.memory.zeros(state.batch_size)
        elif self._state_control == "shuffled":
            state = state.shuffled(self._seed)
        with self.memory.attach(self.backbone.model, write=False) as attached:
            asked = Asked(
                prompts=prompts,
                decoding=decoding,
                state=state,
                side_by_side=side_by_side,
                on_answer=on_answer,
            )
            return self._context.ask(attached, asked)

    def state_dict(self) -> dict[str, object]:
        """Messages and states, as plain values and tensors."""
        return self._context.state_dict()

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave, of the same adapter and context."""
        batch = len(next(iter(state["layers"].values())))
        self.reset(batch)
        with self.memory.attach(self.backbone.model) as attached:
            self._context.load_state_dict(attached, state)


def _sha(keys: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(keys, sort_keys=True).encode()).hexdigest()
