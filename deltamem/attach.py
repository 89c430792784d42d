"""Attach a memory to a backbone by hooks, and take it off again without a trace.

No attention is re-implemented and no module replaced. One forward of the backbone is:

    base model   pre-hook   a MemoryPass (padding mask, states in) goes down as a keyword
    self_attn    pre-hook   take the pass out; the layer's memory reads, and writes a new state
    q k v o _proj    hook   output += correction from the reads (before q_norm and RoPE)
    base model       hook   the new states go up with the KV cache

A pass is made once per forward: activation checkpointing runs the layer hooks twice, and the second
run sees the same states in and puts the same states out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from deltamem.backbone.cache import MemoryCache
from deltamem.errors import InvalidInput
from deltamem.state import MemoryState
from deltamem.writers.writer import WriteResult

if TYPE_CHECKING:
    from deltamem.adapter import DeltaMemory
    from deltamem.layer import LayerMemory

__all__ = ["Attachment", "MemoryPass", "attach"]

ON = nullcontext()
PASS = "deltamem_pass"
"""Name of the keyword that carries the pass from the caller to the attention hooks."""


@dataclass(eq=False, kw_only=True)
class MemoryPass:
    """One forward of the backbone as the memory sees it."""

    state: MemoryState
    """Before the first token."""
    write: bool
    valid: Tensor | None
    """(B, T) bool, this forward's real tokens; None when all are."""
    segments: Tensor | None = None
    """(B, T) segment ids for writers that need them; -1 for tokens outside."""
    new_layers: dict[int, Tensor] = field(default_factory=dict)
    writes: dict[int, WriteResult] = field(default_factory=dict)
    """Per layer what was written; empty with writes off."""

    @property
    def gates(self) -> dict[int, Tensor]:
        """Per layer the mean write gate of each sequence, (B); empty with writes off."""
        return {index: result.mean_write for index, result in self.writes.items()}

    def after(self) -> MemoryState:
        """The state after the last token."""
        return MemoryState(dict(sorted(self.new_layers.items())), self.state.adapter)


@dataclass(eq=False)
class Attachment:
    """A memory on a backbone: what the ``with`` statement of :func:`attach` gives.

    Plain calls (``model(...)``, ``model.generate(...)``) start from ``initial``, a zero state when
    None, and write if ``write``; with a cache that holds tokens they go on from the state that
    travels with it. :meth:`forward` says everything explicitly.
    """

    model: Any
    memory: DeltaMemory
    initial: MemoryState | None = None
    write: bool = True
    last: MemoryPass | None = None
    """The pass of the most recent forward, for its gates and its state."""

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        *,
        state: MemoryState | None = None,
        write: bool = True,
        segments: Tensor | None = None,
        logits: bool = True,
        past_key_values: Any = None,
        **model_kwargs: Any,
    ) -> tuple[Any, MemoryState]:
        """One forward: states in, states out, nothing remembered.

        Args:
            input_ids: (B, T).
            attention_mask: (B, past + T), 0 for padding.
            state: to start from; None: the cache's if one is given, else zeros.
            write: whether the tokens of this forward write.
            segments: (B, T) segment ids for writers that need them.
            logits: False runs the base model only (a write pass needs no logits).
            past_key_values: the KV cache, which takes the new state along.
            model_kwargs: whatever else the model takes.

        Returns:
            The model's output and the state after its last token.

        Raises:
            InvalidInput: a state, mask, cache or segments that do not fit.
        """
        start = state if state is not None else _carried(past_key_values)
        run = self._pass(start, input_ids.shape, attention_mask, write=write, segments=segments)
        target = self.model if logits else self.model.get_decoder()
        output = target(
            input_ids=input_ids,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            **model_kwargs,
            **{PASS: run},
        )
        return output, run.after()

    def _pass(
        self,
        state: MemoryState | None,
        shape: torch.Size,
        mask: Any,
        *,
        write: bool,
        segments: Tensor | None = None,
    ) -> MemoryPass:
        batch, time = shape[:2]
        if mask is not None and (not isinstance(mask, Tensor) or mask.dim() != 2):
            raise InvalidInput(
                "δ-mem reads which tokens are real from the 2-D attention mask (batch, time); "
                "a prepared 4-D mask or a static cache cannot be used"
            )
        zeros = self.memory.zeros(batch)
        if state is not None:
            state.check(like=zeros)
        valid = None if mask is None else mask[:, -time:].bool()
        if valid is not None and not valid.is_cuda and bool(valid.all()):
            valid = None  # on a GPU the question would wait for all that is under way
        return MemoryPass(state=state or zeros, write=write, valid=valid, segments=segments)

    def _begin(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if PASS not in kwargs:
            tokens = next(
                x
                for x in (kwargs.get("input_ids"), kwargs.get("inputs_embeds"), *args)
                if x is not None
            )
            state = _carried(kwargs.get("past_key_values"))
            kwargs[PASS] = self._pass(
                self.initial if state is None else state,
                tokens.shape,
                kwargs.get("attention_mask"),
                write=self.write,
            )
        return args, kwargs

    def _end(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        self.last = kwargs.pop(PASS)
        cache = kwargs.get("past_key_values")
        if cache is None:
            cache = getattr(output, "past_key_values", None)
        if cache is not None:
            MemoryCache.adopt(cache).memory = self.last.after()


def _carried(cache: Any) -> MemoryState | None:
    """The state that travels with a cache; None for none, or for one that holds nothing yet.

    Raises:
        InvalidInput: the cache holds tokens that no memory saw.
    """
    if cache is None:
        return None
    cache = MemoryCache.adopt(cache)
    if cache.memory is None and cache.get_seq_length() > 0:
        raise InvalidInput(
            "this KV cache was filled without the memory attached; start with a new cache"
        )
    return cache.memory


@contextmanager
def attach(
    memory: DeltaMemory, model: Any, *, state: MemoryState | None = None, write: bool = True
) -> Iterator[Attachment]:
    """Hooks on; on leaving, whatever happens, hooks off and the backbone as it was.

    Args:
        memory: the adapter.
        model: a Hugging Face causal language model whose layers have ``self_attn`` with separate
            projections.
        state: where plain calls of the model start from; None is a zero state.
        write: whether plain calls write.

    Raises:
        InvalidInput: the architecture has no place for the corrections, or a memory is attached.
    """
    attachment = Attachment(model, memory, initial=state, write=write)
    handles: list[RemovableHandle] = []
    try:
        _hook(attachment, handles)
        yield attachment
    finally:
        for handle in handles:
            handle.remove()


def _hook(attachment: Attachment, handles: list[RemovableHandle]) -> None:
    base = attachment.model.get_decoder()
    for hook in base._forward_pre_hooks.values():
        if isinstance(getattr(hook, "__self__", None), Attachment):
            raise InvalidInput(
                "a memory is attached to this backbone already; leave its `with` first"
            )
    handles.append(base.register_forward_pre_hook(attachment._begin, with_kwargs=True))
    handles.append(base.register_forward_hook(attachment._end, with_kwargs=True))
    memory = attachment.memory
    attentions = dict(memory.attentions(attachment.model))
    for index, block in enumerate(base.layers):
        if index not in attentions and hasattr(block, "self_attn"):
            handles.append(block.self_attn.register_forward_pre_hook(_drop, with_kwargs=True))
    for index, attention in attentions.items():
        layer = memory.layer(index)
        reads: dict[str, Tensor] = {}
        handles.append(
            attention.register_forward_pre_hook(
                _read_and_write(index, layer, reads), with_kwargs=True
            )
        )
        for head in memory.config.heads:
            projection = getattr(attention, f"{head}_proj")
            handles.append(projection.register_forward_hook(_steer(head, layer, reads)))
        handles.append(attention.register_forward_hook(_forget(reads), always_call=True))


def _full_precision(device: str) -> AbstractContextManager[Any]:
    """Autocast off; entering it costs more than a small layer's work, so only where it is on."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else ON


def _drop(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A layer without a memory: the pass must not reach the attention kernel."""
    kwargs.pop(PASS, None)
    return args, kwargs


def _read_and_write(index: int, layer: LayerMemory, reads: dict[str, Tensor]) -> Callable[..., Any]:
    def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        run: MemoryPass | None = kwargs.pop(PASS, None)
        if run is None:
            return args, kwargs
        hidden = kwargs["hidden_states"] if "hidden_states" in kwargs else args[0]
        with _full_precision(hidden.device.type):
            result = layer(
                hidden,
                run.state.layers[index].to(hidden.device),
                valid=None if run.valid is None else run.valid.to(hidden.device),
                segments=None if run.segments is None else run.segments.to(hidden.device),
                write=run.write,
            )
        reads["now"] = layer.scaled(result.reads)
        run.new_layers[index] = result.state
        if run.write:
            run.writes[index] = result
        return args, kwargs

    return hook


def _steer(head: str, layer: LayerMemory, reads: dict[str, Tensor]) -> Callable[..., Any]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor:
        if "now" not in reads:
            return output
        with _full_precision(output.device.type):
            return output + layer.steer(head, reads["now"]).to(output.dtype)

    return hook


def _forget(reads: dict[str, Tensor]) -> Callable[..., None]:
    def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        reads.clear()

    return hook
