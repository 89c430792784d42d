"""Attach a memory to a backbone, and take it off again without a trace.

No attention is re-implemented and no module replaced: some get another ``forward`` around their own
(forwards.py). Plain calls of the model (``model(...)``, ``model.generate(...)``) work as they do
without a memory; the state travels with the KV cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import torch
from torch import Tensor, nn

from deltamem.attachment.forwards import PASS, MemoryPass, layer_forwards
from deltamem.attachment.overriding import Forward, overridden
from deltamem.backbone.cache import MemoryCache
from deltamem.layers.memory_layers import MemoryLayers
from deltamem.state import MemoryState
from deltamem_base.faults import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Attachment", "attach"]

ATTACHED: WeakSet[nn.Module] = WeakSet()
"""Base models that have a memory."""


@dataclass(eq=False)
class Attachment:
    """A memory on a backbone: what the ``with`` statement of :func:`attach` gives.

    Plain calls (``model(...)``, ``model.generate(...)``) start from ``initial``, a zero state when
    None, and write if ``write``; with a cache that holds tokens they go on from the state that
    travels with it. :meth:`forward` says everything explicitly.
    """

    model: PreTrainedModel
    memory: MemoryLayers
    initial: MemoryState | None = None
    write: bool = True
    one_segment: bool = False
    """Whether the tokens of a plain call are one segment; writers that need segments then write."""
    last: MemoryPass | None = None
    """The pass of the most recent forward, for its state and, unless it was decoding, its gates."""
    _attached: bool = field(default=False, init=False)
    _like: MemoryState | None = None
    """A state of the right shape; made once, for decoding asks at every token."""
    _left: MemoryState | None = None
    """The state that the last plain call left with its cache, which needs no second check."""

    def __post_init__(self) -> None:
        """Keep the base model's own forward."""
        self._inner: Forward = self.model.get_decoder().forward

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
            InvalidInput: a state, mask, cache or segments that do not fit, or the block has ended.
        """
        if not self._attached:
            raise InvalidInput(
                "this memory is no longer attached to its backbone: call it inside the "
                "`with` block that attaches it"
            )
        start = state if state is not None else _carried(past_key_values)
        run = self._new_pass(
            start,
            input_ids.shape,
            attention_mask,
            write=write,
            segments=segments,
            cached=past_key_values is not None,
        )
        target = self.model if logits else self.model.get_decoder()
        output = target(
            input_ids=input_ids,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            **model_kwargs,
            **{PASS: run},
        )
        return output, run.after()

    def _new_pass(
        self,
        state: MemoryState | None,
        shape: torch.Size,
        mask: Any,
        *,
        write: bool,
        cached: bool,
        segments: Tensor | None = None,
    ) -> MemoryPass:
        batch, time = shape[:2]
        if mask is not None and (not isinstance(mask, Tensor) or mask.dim() != 2):
            raise InvalidInput(
                "δ-mem reads which tokens are real from the 2-D attention mask (batch, time); "
                "a prepared 4-D mask or a static cache cannot be used"
            )
        if state is None:
            state = self.memory.zeros(batch)
        elif state is not self._left or batch != state.batch_size:
            state.check(like=self._expected(batch))
        valid = None if mask is None else mask[:, -time:]
        # on a GPU the question would wait for all that is under way
        if valid is not None and (valid.is_cuda or not bool(valid.all())):
            valid = valid.bool()
        else:
            valid = None
        return MemoryPass(
            state=state,
            write=write,
            valid=valid,
            segments=segments,
            single=time == 1 and cached and not torch.is_grad_enabled(),
        )

    def forwards(self) -> Iterator[tuple[nn.Module, Forward]]:
        """Every module that gets another ``forward`` while the memory is attached, and that one."""
        yield self.model.get_decoder(), self._forward_base
        yield from layer_forwards(self.memory, self.model)

    def _expected(self, batch: int) -> MemoryState:
        like = self._like
        if like is None or like.batch_size != batch or like.adapter != self.memory.identity:
            like = self._like = self.memory.zeros(batch)
        return like

    def _forward_base(self, *args: Any, **kwargs: Any) -> Any:
        """The base model's: a pass goes down, new states go up."""
        if not self._attached:
            return self._inner(*args, **kwargs)
        cache, run = kwargs.get("past_key_values"), kwargs.get(PASS)
        if run is None:
            run = kwargs[PASS] = self._plain_pass(args, kwargs, cache)
        output = self._inner(*args, **kwargs)
        if len(run.new_layers) != len(run.state.layers):
            raise InvalidInput(
                "a layer ran without its memory: something replaced the `forward` of its "
                "attention while the memory was attached; replace it outside the `with` "
                "block"
            )
        self.last = run
        if cache is None:
            cache = getattr(output, "past_key_values", None)
        if cache is not None:
            self._left = MemoryCache.adopt(cache).memory = run.after()
        return output

    def _plain_pass(
        self, args: tuple[Any, ...], kwargs: Mapping[str, object], cache: Any
    ) -> MemoryPass:
        """The pass of a call that brings none."""
        given = (kwargs.get("input_ids"), kwargs.get("inputs_embeds"), *args)
        tokens = next(x for x in given if x is not None)
        state = _carried(cache)
        batch, time = tokens.shape[:2]
        return self._new_pass(
            self.initial if state is None else state,
            tokens.shape,
            kwargs.get("attention_mask"),
            write=self.write,
            cached=cache is not None,
            segments=tokens.new_zeros(batch, time, dtype=torch.long) if self.one_segment else None,
        )


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
    memory: MemoryLayers,
    model: PreTrainedModel,
    *,
    state: MemoryState | None = None,
    write: bool = True,
    one_segment: bool = False,
) -> Iterator[Attachment]:
    """Memory on; on leaving, whatever happens, memory off and the backbone as it was.

    Args:
        memory: the adapter.
        model: a Hugging Face causal language model whose layers have ``self_attn`` with separate
            projections.
        state: where plain calls of the model start from; None is a zero state.
        write: whether plain calls write.
        one_segment: whether all tokens of a plain call are one segment, for writers by segment.

    Raises:
        InvalidInput: the architecture has no place for the corrections, or a memory is attached.
    """
    attachment = Attachment(model, memory, initial=state, write=write, one_segment=one_segment)
    base = model.get_decoder()
    if base in ATTACHED:
        raise InvalidInput(
            "a memory is already attached to this backbone; leave its `with` block first"
        )
    with overridden(attachment.forwards()):
        attachment._attached = True
        ATTACHED.add(base)
        try:
            yield attachment
        finally:
            ATTACHED.discard(base)
            attachment._attached = False
