"""What happens inside one forward of the backbone.

    base model      a MemoryPass (padding mask, states in) goes down as a keyword
    self_attn       takes the pass out; the layer's memory reads, and writes a new state
    q k v o _proj   output += correction from the reads (before q_norm and RoPE)
    base model      the new states go up with the KV cache

A pass is made once per forward: activation checkpointing runs attentions twice, and the second run
sees the same states in and puts the same states out.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from deltamem.layer import LayerMemory
from deltamem.overriding import Forward
from deltamem.state import MemoryState
from deltamem.steps import SingleStep, single_step
from deltamem.writers.writer import WriteResult

if TYPE_CHECKING:
    from deltamem.adapter import DeltaMemory

__all__ = ["PASS", "MemoryPass", "layer_forwards"]

ON = nullcontext()
PASS = "deltamem_pass"
"""Name of the keyword that carries the pass from the caller to the attentions."""


class MemoryPass:
    """One forward of the backbone as the memory sees it.

    No dataclass: FSDP builds those anew on their way through the modules, and what one layer
    writes down the next would not see.
    """

    def __init__(
        self,
        *,
        state: MemoryState,
        write: bool,
        valid: Tensor | None,
        segments: Tensor | None = None,
        single: bool = False,
    ) -> None:
        """What goes down.

        Args:
            state: before the first token.
            write: whether the tokens write.
            valid: (B, T) bool, this forward's real tokens; None when all are.
            segments: (B, T) segment ids for writers that need them; -1 for tokens outside.
            single: one token a sequence and no gradient, as in decoding; its gates are not kept.
        """
        self.state, self.write, self.valid = state, write, valid
        self.segments, self.single = segments, single
        self.new_layers: dict[int, Tensor] = {}
        self.writes: dict[int, WriteResult] = {}
        """Per layer what was written; empty with writes off and for single tokens."""

    @property
    def gates(self) -> dict[int, Tensor]:
        """Per layer the mean write gate of each sequence, (B); empty where ``writes`` is."""
        return {index: result.mean_write for index, result in self.writes.items()}

    def after(self) -> MemoryState:
        """The state after the last token."""
        return MemoryState(dict(sorted(self.new_layers.items())), self.state.adapter)


def layer_forwards(memory: DeltaMemory, model: Any) -> Iterator[tuple[nn.Module, Forward]]:
    """What every attention of ``model`` and its steered projections do with ``memory`` attached."""
    attentions = dict(memory.attentions(model))
    for index, block in enumerate(model.get_decoder().layers):
        if index not in attentions and hasattr(block, "self_attn"):
            yield block.self_attn, _dropping(block.self_attn.forward)
    for index, attention in attentions.items():
        layer = _LayerForwards(index, memory.layer(index))
        yield attention, layer.reading(attention.forward)
        for head in memory.config.heads:
            projection = getattr(attention, f"{head}_proj")
            yield projection, layer.steered(head, projection.forward)


def _dropping(forward: Forward) -> Forward:
    """Of a layer without a memory: the pass must not reach the attention kernel."""

    @functools.wraps(forward)
    def dropping(*args: Any, **kwargs: Any) -> Any:
        kwargs.pop(PASS, None)
        return forward(*args, **kwargs)

    return dropping


class _LayerForwards:
    """Those of one layer; between them stands what the layer's tokens read."""

    def __init__(self, index: int, layer: LayerMemory) -> None:
        self.index, self.layer = index, layer
        self.scaled: Tensor | None = None
        self.corrections: Mapping[str, Tensor] | None = None

    @functools.cached_property
    def step(self) -> SingleStep | None:
        """What serves single tokens; found when the first one comes, for it may be compiled."""
        return single_step(self.layer)

    def reading(self, forward: Forward) -> Forward:
        """Of the attention: its tokens read, and write if the pass does, before it runs."""

        @functools.wraps(forward)
        def reading(*args: Any, **kwargs: Any) -> Any:
            run: MemoryPass | None = kwargs.pop(PASS, None)
            if run is None:
                return forward(*args, **kwargs)
            self._read(run, kwargs["hidden_states"] if "hidden_states" in kwargs else args[0])
            try:
                return forward(*args, **kwargs)
            finally:
                self.scaled = self.corrections = None

        return reading

    def _read(self, run: MemoryPass, hidden: Tensor) -> None:
        state = run.state.layers[self.index]
        step = self.step if run.single else None
        if step is not None and (step.writes or not run.write):
            after, self.corrections = step(hidden, state, valid=run.valid, write=run.write)
            run.new_layers[self.index] = after
            return
        result = self._forward(run, hidden, state)
        run.new_layers[self.index] = result.state
        if run.write:
            run.writes[self.index] = result

    def _forward(self, run: MemoryPass, hidden: Tensor, state: Tensor) -> WriteResult:
        there = hidden.device
        with _full_precision(there.type):
            result: WriteResult = self.layer(
                hidden,
                state.to(there),
                valid=None if run.valid is None else run.valid.to(there),
                segments=None if run.segments is None else run.segments.to(there),
                write=run.write,
            )
            self.scaled = self.layer.scaled(result.reads)
        return result

    def steered(self, head: str, forward: Forward) -> Forward:
        """Of one projection: its output with the correction from the reads."""

        @functools.wraps(forward)
        def steered(*args: Any, **kwargs: Any) -> Tensor:
            output: Tensor = forward(*args, **kwargs)
            if self.corrections is not None:
                # no gradient is asked for, and a projection's output is nobody else's yet
                return output.add_(self.corrections[head])
            if self.scaled is None:
                return output
            with _full_precision(output.device.type):
                return output + self.layer.steer(head, self.scaled).to(output.dtype)

        return steered


def _full_precision(device: str) -> AbstractContextManager[Any]:
    """Autocast off; entering it costs more than a small layer's work, so only where it is on."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else ON
