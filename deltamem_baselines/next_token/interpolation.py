"""Mix a memory's next-token distribution into the backbone's: p = x p_memory + (1 - x) p_LM."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from deltamem.backbone import MemoryCache
from deltamem_base.faults import InvalidInput
from deltamem_baselines.next_token.hidden_states import mlp_inputs

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["check_interpolation", "look", "mix"]


def check_interpolation(value: float) -> None:
    """Refuse a share that is none.

    Raises:
        InvalidInput: outside of 0 to 1.
    """
    if not 0 <= value <= 1:
        raise InvalidInput(f"method.interpolation is {value}; it must be from 0 to 1")


def mix(logits: Tensor, memory: Tensor, share: float) -> Tensor:
    """Log-probabilities of the mixture, in float32; the ends are bit-exact.

    Args:
        logits: (B, V) of the backbone.
        memory: (B, V) log-probabilities of the memory.
        share: of the memory.
    """
    if share == 0:
        return logits
    if share == 1:
        return memory
    backbone = logits.float().log_softmax(-1) + math.log1p(-share)
    return torch.logaddexp(backbone, memory + math.log(share))


def look(
    model: PreTrainedModel,
    ids: Tensor,
    mask: Tensor,
    positions: Tensor,
    cache: MemoryCache,
    *,
    layer: int,
) -> tuple[Tensor, Tensor]:
    """The backbone's next-token logits (B, V), and what a layer's MLP got there (B, D)."""
    with mlp_inputs(model, [layer]) as seen:
        output = model(
            input_ids=ids,
            attention_mask=mask.long(),
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
    return output.logits[:, -1].float(), seen[layer][:, -1]
