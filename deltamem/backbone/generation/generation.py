"""Decode a batch of prompts, each with its own random numbers.

The loop is ours because ``model.generate`` draws one stream of random numbers for a whole batch;
here batch size, order and resuming cannot change a sampled answer. It knows nothing of memory: a
state travels in the cache it is given.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from deltamem.backbone.backbone import Backbone
from deltamem.backbone.cache import MemoryCache
from deltamem.backbone.generation.finite import check_logits
from deltamem.backbone.generation.sampling import sample_token
from deltamem.backbone.generation.thinking import opens_thinking
from deltamem.backbone.inputs import DecodingLike

__all__ = [
    "Generation",
    "NextLogits",
    "generate",
    "left_pad",
]


NextLogits = Callable[[Tensor, Tensor, Tensor, MemoryCache], Tensor]
"""(ids (B, T), mask (B, past + T), positions (B, T), cache) -> logits of the next token (B, V)."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One answer and what it cost."""

    text: str
    """Without special tokens, stripped."""
    prompt_tokens: int
    """Tokens in view when the first token was generated, those of a kept history included."""
    new_tokens: int
    seconds: float
    """Share of the batch's wall time."""
    finish: str
    """``stop``, ``length``, or ``window`` where the model's window ended the answer."""
    opened_thinking: bool = False
    """Whether the prompt ended with an opened ``<think>``, which the text then goes on with."""
    written_tokens: int = 0
    """Tokens of the question and the answer that a memory took in while answering."""


def left_pad(
    rows: Sequence[Sequence[int]], *, fill: int, device: torch.device | str
) -> tuple[Tensor, Tensor]:
    """Rows of different lengths -> ids (B, T) and mask (B, T) bool, padding on the left."""
    length = max(map(len, rows), default=0)
    ids = torch.full((len(rows), length), fill, dtype=torch.long)
    mask = torch.zeros(len(rows), length, dtype=torch.bool)
    for i, row in enumerate(rows):
        if row:
            ids[i, length - len(row) :] = torch.as_tensor(row)
            mask[i, length - len(row) :] = True
    return ids.to(device), mask.to(device)


@torch.no_grad()
def generate(
    backbone: Backbone,
    prompts: Sequence[Sequence[int]],
    decoding: DecodingLike,
    *,
    seeds: Sequence[int],
    cache: MemoryCache | None = None,
    past: Tensor | None = None,
    next_logits: NextLogits | None = None,
    on_token: Callable[[int, int], None] = lambda row, token: None,
) -> list[Generation]:
    """Answer each prompt.

    Args:
        backbone: the model and its tokenizer.
        prompts: token ids of each prompt, without those that ``cache`` holds already.
        decoding: how to choose tokens.
        seeds: one per prompt.
        cache: keys, values and memory state to go on from, one row per prompt; it is used up.
        past: (B, P) bool, the real ones among the tokens that ``cache`` holds.
        next_logits: another way to get the next token's logits than the model's own.
        on_token: told of each new token and its row at once, the one that stops it included.

    Returns:
        One :class:`Generation` per prompt, in order.

    Raises:
        NotFinite: the logits of a prompt's next token are NaN or infinite.
    """
    started = time.perf_counter()
    ids, mask = left_pad(prompts, fill=backbone.pad_id, device=backbone.device)
    if past is not None:
        mask = torch.cat([past.to(mask.device), mask], dim=1)
    in_view = mask.sum(1).tolist()
    limits = [min(decoding.max_new_tokens, max(1, backbone.window - n)) for n in in_view]
    cache = MemoryCache(config=backbone.model.config) if cache is None else cache
    if cache.reach is None:
        cache.reach = [count + limit for count, limit in zip(in_view, limits, strict=True)]
    rows = _decode(
        ids,
        mask,
        decoding,
        model=backbone.model,
        seeds=seeds,
        cache=cache,
        step=_model_logits(backbone.model) if next_logits is None else next_logits,
        stop=backbone.stop_ids,
        limits=limits,
        on_token=on_token,
    )
    seconds = (time.perf_counter() - started) / len(prompts)
    return [
        _answer(backbone, prompt, row, in_view=count, decoding=decoding, seconds=seconds)
        for prompt, row, count in zip(prompts, rows, in_view, strict=True)
    ]


def _answer(
    backbone: Backbone,
    prompt: Sequence[int],
    row: Sequence[int],
    *,
    in_view: int,
    decoding: DecodingLike,
    seconds: float,
) -> Generation:
    return Generation(
        text=backbone.decode(row),
        prompt_tokens=in_view,
        new_tokens=len(row),
        seconds=seconds,
        finish=_finish(row, backbone.stop_ids, decoding.max_new_tokens),
        opened_thinking=opens_thinking(backbone.tokenizer, prompt),
    )


def _finish(row: Sequence[int], stop: frozenset[int], max_new_tokens: int) -> str:
    if row and row[-1] in stop:
        return "stop"
    return "length" if len(row) >= max_new_tokens else "window"


def _decode(
    ids: Tensor,
    mask: Tensor,
    decoding: DecodingLike,
    *,
    model: Any,
    seeds: Sequence[int],
    cache: MemoryCache,
    step: NextLogits,
    stop: frozenset[int],
    limits: Sequence[int],
    on_token: Callable[[int, int], None],
) -> list[list[int]]:
    """New tokens of each row, up to and including the one that stopped it, at most its limit."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    rows: list[list[int]] = [[] for _ in seeds]
    unfinished = set(range(len(rows)))
    for _ in range(max(limits)):
        positions = (mask.long().cumsum(1) - 1).clamp_min(0)[:, -ids.shape[1] :]
        logits = step(ids, mask, positions, cache)
        check_logits(logits, unfinished, model=model, cache=cache)
        for i in sorted(unfinished):
            rows[i].append(sample_token(logits[i], decoding, generators[i]))
            on_token(i, rows[i][-1])
            if rows[i][-1] in stop or len(rows[i]) >= limits[i]:
                unfinished.discard(i)
        if not unfinished:
            break
        ids = torch.tensor([[row[-1]] for row in rows], device=ids.device)
        mask = torch.cat([mask, mask.new_ones(len(rows), 1)], dim=1)
    return rows


def _model_logits(model: Any) -> NextLogits:
    """The model's own next-token logits, through the cache."""

    def step(ids: Tensor, mask: Tensor, positions: Tensor, cache: MemoryCache) -> Tensor:
        output = model(
            input_ids=ids,
            attention_mask=mask.long(),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1].float()
        return logits

    return step
