"""A prompt read once, and single tokens after it: the work behind all figures of decoding."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from deltamem_cli.speed.alternate import alternate

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from deltamem import DeltaMemory

__all__ = ["KINDS", "Side", "alone", "decode", "read", "relative_throughput", "with_memory"]

KINDS = {True: "tsw, writing", False: "tsw, writes off"}
"""Names of the two kinds that are timed, by whether tokens write."""


@dataclass(frozen=True)
class Side:
    """One of two things that are timed in turn; both of its functions give the new tokens."""

    decode: Callable[[], Tensor]
    """``generate`` from a KV cache that holds all of the prompt but its last token."""
    generate: Callable[[], Tensor]
    """``generate`` from nothing, which reads the prompt first."""


def alone(model: PreTrainedModel, ids: Tensor, *, tokens: int) -> Side:
    """The bare model.

    Args:
        model: the backbone.
        ids: (1, T), the prompt, which is read once here.
        tokens: new ones.
    """
    return Side(
        partial(decode, model, ids, tokens, cache=read(model, ids)),
        partial(decode, model, ids, tokens),
    )


def with_memory(
    memory: DeltaMemory, model: PreTrainedModel, ids: Tensor, *, tokens: int, writes: bool
) -> Side:
    """The same with an adapter of the model, which is attached and taken off in every turn.

    ``writes``: whether the new tokens, and those of the prompt, write.
    """
    with memory.attach(model, write=writes):
        cache = read(model, ids)

    def attached(**start: Any) -> Tensor:
        with memory.attach(model, write=writes):
            return decode(model, ids, tokens, **start)

    return Side(partial(attached, cache=cache), attached)


def relative_throughput(
    bare: Callable[[], object],
    attached: Callable[[], object],
    *,
    rounds: int,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> list[float]:
    """Tokens per second of ``attached`` over those of ``bare``, round by round."""
    turns = alternate([bare, attached], rounds=rounds, tick=tick)
    return [alone / together for alone, together in turns]


def read(model: PreTrainedModel, ids: Tensor) -> Any:
    """A KV cache, with the memory state if one is attached, of all tokens but the last."""
    import torch
    from transformers import DynamicCache

    cache = DynamicCache(config=model.config)
    with torch.no_grad():
        model.get_decoder()(input_ids=ids[:, :-1], past_key_values=cache, use_cache=True)
    return cache


def decode(model: Any, ids: Tensor, tokens: int, *, cache: Any = None) -> Tensor:
    """Greedy tokens after ``ids`` (1, T), to the end of their work on the device.

    Args:
        model: the backbone.
        ids: the prompt.
        tokens: new ones.
        cache: holds T - 1 tokens, and stays as it is; None: the prompt is read.
    """
    import torch

    with torch.no_grad():
        made = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            past_key_values=None if cache is None else _twin(cache),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            pad_token_id=0,
        )
    if made.is_cuda:
        torch.cuda.synchronize(made.device)
    return made[:, ids.shape[1] :]


def _twin(cache: Any) -> Any:
    twin = copy.copy(cache)
    # layers take new tensors for their keys and values; none is written into
    twin.layers = [copy.copy(layer) for layer in cache.layers]
    return twin
