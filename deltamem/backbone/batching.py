"""How many sequences fit beside each other in what memory is free."""

from __future__ import annotations

from collections.abc import Callable

import torch

from deltamem.backbone.backbone import Backbone

__all__ = ["fitting_batch", "kv_bytes_per_token"]

CPU_BATCH = 16
"""More rows side by side gain little on a CPU."""
LARGEST = 128
SHARE = 0.6
"""Share of the free memory: the rest is for activations, logits and what fragments."""


def kv_bytes_per_token(backbone: Backbone) -> int:
    """Bytes of keys and values that one token leaves in the cache of all layers."""
    text = backbone.model.config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    size = backbone.model.dtype.itemsize
    return int(2 * text.num_hidden_layers * heads * width * size)


def fitting_batch(backbone: Backbone, *, tokens: Callable[[], int]) -> int:
    """Rows of ``tokens()`` tokens whose caches fit, a power of two from 1 to 128.

    ``tokens`` is asked on a GPU only, for to find the longest prompt means to read all histories.
    It is an estimate to start from: whoever runs out of memory nevertheless goes on with half.
    """
    if backbone.device.type != "cuda":
        return CPU_BATCH
    free, _ = torch.cuda.mem_get_info(backbone.device)
    return rows_in(int(free * SHARE), tokens() * kv_bytes_per_token(backbone))


def rows_in(free: int, row: int) -> int:
    """The largest power of two of rows of ``row`` bytes in ``free`` bytes, from 1 to 128."""
    rows = max(1, min(LARGEST, free // max(row, 1)))
    return 1 << (rows.bit_length() - 1)
