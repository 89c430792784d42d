"""Watch a history being written, turn by turn, without changing what is written.

Hooks see what enters each layer's memory and what each steered projection gives. A turn is a user's
message with all that follows it up to the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.attachment.forwards import PASS, MemoryPass
from deltamem.backbone import Backbone, Messages, Rendered
from deltamem.layers.memory_layer import LayerMemory
from deltamem.memory.inspection import LayerWrite, TurnNumbers, state_numbers, write_layer
from deltamem.memory.writing import write_windows
from deltamem.state import MemoryState
from deltamem_base.faults import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Observation", "observed", "turn_numbers", "turn_texts", "write_observed"]


def turn_numbers(rendered: Rendered, messages: Messages) -> list[int]:
    """The turn of each token, from 0; what a template puts between messages goes with the former.

    Args:
        rendered: the tokens of ``messages``.
        messages: a leading system message belongs to the first turn.
    """
    turns = [number for number, _ in _by_turn(messages)]
    numbers, last = [], 0
    for message_id in rendered.message_ids:
        last = turns[message_id] if message_id >= 0 else last
        numbers.append(last)
    return numbers


def turn_texts(messages: Messages) -> list[str]:
    """The words of each turn, its messages one after the other."""
    texts: dict[int, list[str]] = {}
    for number, text in _by_turn(messages):
        texts.setdefault(number, []).append(text)
    return [" / ".join(said) for said in texts.values()]


def _by_turn(messages: Messages) -> Iterator[tuple[int, str]]:
    """The turn and the text of each message that is no system message."""
    now = -1
    for message in (m for m in messages if m["role"] != "system"):
        now += message["role"] == "user" or now < 0
        yield now, message["content"]


@dataclass
class _Sums:
    """Sums of one layer in one turn, over the passes that hold a part of it."""

    state: Tensor | None = None
    writes: int = 0
    write_sum: float = 0.0
    keep_sum: float = 0.0
    base: float = 0.0
    steered: float = 0.0

    def add(self, done: LayerWrite) -> None:
        self.state = done.state
        self.writes += done.writes
        self.write_sum += done.write_sum
        self.keep_sum += done.keep_sum


class Observation:
    """Gathers the numbers of each turn while passes write."""

    def __init__(self, memory: DeltaMemory, turns: Sequence[int]) -> None:
        """``turns``: the turn of each token that is to be written, in order."""
        self._memory, self._turns = memory, list(turns)
        self._at = self._length = 0
        self._sums: dict[int, dict[int, _Sums]] = {}

    def numbers(self) -> tuple[TurnNumbers, ...]:
        """One entry per turn, in order."""
        return tuple(self._turn(turn) for turn in sorted(self._sums))

    def _turn(self, turn: int) -> TurnNumbers:
        sums = dict(sorted(self._sums[turn].items()))
        layers = {i: s.state for i, s in sums.items() if s.state is not None}
        return TurnNumbers(
            tokens=self._turns.count(turn),
            state=state_numbers(MemoryState(layers, self._memory.identity)),
            write_gate=tuple(s.write_sum / max(s.writes, 1) for s in sums.values()),
            keep_gate=tuple(s.keep_sum / max(s.writes, 1) for s in sums.values()),
            read_energy=tuple((s.steered / (s.base or 1.0)) ** 0.5 for s in sums.values()),
        )

    def _spans(self) -> list[tuple[int, slice]]:
        """Turns of the pass that is running, with their tokens within it."""
        spans, start = [], 0
        for turn, run in groupby(self._turns[self._at - self._length : self._at]):
            stop = start + len(list(run))
            spans.append((turn, slice(start, stop)))
            start = stop
        return spans

    def _of(self, turn: int, index: int) -> _Sums:
        return self._sums.setdefault(turn, {}).setdefault(index, _Sums())

    def _begin(self, module: object, args: object, kwargs: dict[str, Any]) -> None:
        run: MemoryPass | None = kwargs.get(PASS)
        if run is None or not run.write:
            return
        batch, self._length = kwargs["input_ids"].shape
        self._at += self._length
        if batch != 1 or self._at > len(self._turns):
            raise InvalidInput(
                f"{len(self._turns)} tokens of a single history are observed, but a pass "
                f"wrote {batch} rows up to token {self._at}"
            )

    def _memory_hook(
        self, index: int, layer: LayerMemory, reads: dict[str, Tensor]
    ) -> Callable[..., None]:
        def hook(module: object, args: tuple[Tensor, ...], kwargs: dict[str, Any]) -> None:
            run: MemoryPass | None = kwargs.get(PASS)
            reads.clear()
            if run is None or not run.write:
                return
            hidden = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
            spans = self._spans()
            segments = None if run.segments is None else run.segments.to(hidden.device)
            reads["now"], done = write_layer(
                layer,
                hidden,
                run.state.layers[index].to(hidden.device),
                segments=segments,
                spans=[span for _, span in spans],
            )
            for (turn, _), part in zip(spans, done, strict=True):
                self._of(turn, index).add(part)

        return hook

    def _output_hook(
        self, index: int, layer: LayerMemory, head: str, reads: dict[str, Tensor]
    ) -> Callable[..., None]:
        def hook(module: object, args: object, output: Tensor) -> None:
            if "now" not in reads:
                return
            delta = layer.steer(head, layer.scaled(reads["now"]))
            frozen = output.float() - delta  # hooks see a projection's output steered
            for turn, span in self._spans():
                sums = self._of(turn, index)
                sums.base += float(frozen[:, span].square().sum())
                sums.steered += float(delta[:, span].square().sum())

        return hook


@contextmanager
def observed(
    memory: DeltaMemory, model: PreTrainedModel, turns: Sequence[int]
) -> Iterator[Observation]:
    """While the block runs, passes that write one history are watched.

    Args:
        memory: the adapter that is going to be attached.
        model: the backbone.
        turns: the turn of each token that is going to be written, in order.
    """
    seen = Observation(memory, turns)
    handles = [model.get_decoder().register_forward_pre_hook(seen._begin, with_kwargs=True)]
    try:
        for index, attention in memory.attentions(model):
            layer, reads = memory.layer(index), dict[str, Tensor]()
            watch = seen._memory_hook(index, layer, reads)
            handles.append(attention.register_forward_pre_hook(watch, with_kwargs=True))
            for head in memory.config.heads:
                projection = getattr(attention, f"{head}_proj")
                watch = seen._output_hook(index, layer, head, reads)
                handles.append(projection.register_forward_hook(watch))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def write_observed(
    memory: DeltaMemory, backbone: Backbone, messages: Messages, *, window: int, join: str | None
) -> tuple[MemoryState, tuple[TurnNumbers, ...]]:
    """Write a history into an empty state as :func:`write_windows` does, and watch.

    Returns:
        The state after the last token, and the numbers of each turn.
    """
    rendered = backbone.render_history(messages, join=join)
    turns = turn_numbers(rendered, messages)
    with observed(memory, backbone.model, turns) as seen, memory.attach(backbone.model) as attached:
        state = write_windows(attached, backbone, [rendered], state=memory.zeros(1), window=window)
    return state, seen.numbers()
