"""The question of every pass of a decoding loop: the logits of the next token of each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deltamem.backbone.cache import MemoryCache

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["NextLogits", "left_pad", "model_logits"]

NextLogits = Callable[[Tensor, Tensor, Tensor, MemoryCache, Sequence[int]], Tensor]
"""(ids (B, T), mask (B, past + T), positions (B, T), cache, numbers of the B prompts) -> logits of
the next token (B, V)."""


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


def model_logits(model: PreTrainedModel) -> NextLogits:
    """The model's own next-token logits, through the cache."""

    def step(
        ids: Tensor, mask: Tensor, positions: Tensor, cache: MemoryCache, numbers: Sequence[int]
    ) -> Tensor:
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
