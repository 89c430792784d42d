"""What happens inside one forward of the backbone.

    base model   pre-hook   a MemoryPass (padding mask, states in) goes down as a keyword
    self_attn    pre-hook   take the pass out; the layer's memory reads, and writes a new state
    q k v o _proj    hook   output += correction from the reads (before q_norm and RoPE)
    base model       hook   the new states go up with the KV cache

A pass is made once per forward: activation checkpointing runs the layer hooks twice, and the second
run sees the same states in and puts the same states out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from deltamem.layer import LayerMemory
from deltamem.state import MemoryState
from deltamem.steps import SingleStep, single_step
from deltamem.writers.writer import WriteResult

if TYPE_CHECKING:
    from deltamem.adapter import DeltaMemory

__all__ = ["PASS", "MemoryPass", "hook_layers"]

ON = nullcontext()
PASS = "deltamem_pass"
"""Name of the keyword that carries the pass from the caller to the attention hooks."""


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
            single: one token a sequence and no gradient, as in decoding.
        """
        self.state, self.write, self.valid = state, write, valid
        self.segments, self.single = segments, single
        self.new_layers: dict[int, Tensor] = {}
        self.writes: dict[int, WriteResult] = {}
        """Per layer what was written; empty with writes off."""

    @property
    def gates(self) -> dict[int, Tensor]:
        """Per layer the mean write gate of each sequence, (B); empty with writes off."""
        return {index: result.mean_write for index, result in self.writes.items()}

    def after(self) -> MemoryState:
        """The state after the last token."""
        return MemoryState(dict(sorted(self.new_layers.items())), self.state.adapter)


def hook_layers(memory: DeltaMemory, model: Any, handles: list[RemovableHandle]) -> None:
    """Hook every attention of ``model``; the handles are added as they come, to be removed."""
    attentions = dict(memory.attentions(model))
    for index, block in enumerate(model.get_decoder().layers):
        if index not in attentions and hasattr(block, "self_attn"):
            handles.append(block.self_attn.register_forward_pre_hook(_drop, with_kwargs=True))
    for index, attention in attentions.items():
        hooks = _LayerHooks(index, memory.layer(index))
        handles.append(attention.register_forward_pre_hook(hooks.remember, with_kwargs=True))
        for head in memory.config.heads:
            projection = getattr(attention, f"{head}_proj")
            handles.append(projection.register_forward_hook(hooks.steer(head)))
        handles.append(attention.register_forward_hook(hooks.forget, always_call=True))


def _drop(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A layer without a memory: the pass must not reach the attention kernel."""
    kwargs.pop(PASS, None)
    return args, kwargs


class _LayerHooks:
    """Hooks of one layer; between them stands what the layer's tokens read."""

    def __init__(self, index: int, layer: LayerMemory) -> None:
        self.index, self.layer = index, layer
        self.scaled: Tensor | None = None
        self.corrections: Mapping[str, Tensor] | None = None

    @cached_property
    def step(self) -> SingleStep | None:
        """What serves single tokens; found when the first one comes, for it may be compiled."""
        return single_step(self.layer)

    def remember(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Read, and write if the pass does."""
        run: MemoryPass | None = kwargs.pop(PASS, None)
        if run is None:
            return args, kwargs
        hidden = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        state = run.state.layers[self.index]
        step = self.step if run.single else None
        if step is not None and (step.writes or not run.write):
            result, self.corrections = step(hidden, state, valid=run.valid, write=run.write)
        else:
            result = self._forward(run, hidden, state)
        run.new_layers[self.index] = result.state
        if run.write:
            run.writes[self.index] = result
        return args, kwargs

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

    def steer(self, head: str) -> Callable[..., Tensor]:
        """The hook of one projection."""

        def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
            if self.corrections is not None:
                correction = self.corrections[head]
                same = correction.dtype == output.dtype
                return output + (correction if same else correction.to(output.dtype))
            if self.scaled is None:
                return output
            with _full_precision(output.device.type):
                return output + self.layer.steer(head, self.scaled).to(output.dtype)

        return hook

    def forget(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        """The reads are of this forward only."""
        self.scaled = self.corrections = None


def _full_precision(device: str) -> AbstractContextManager[Any]:
    """Autocast off; entering it costs more than a small layer's work, so only where it is on."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else ON
