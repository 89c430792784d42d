"""Weigh continuations where a whole segment writes at its end: one pass for each segment.

In one forward all tokens read the state from before it. A prompt is one segment and each token
behind it another, as they are when an answer is generated.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from deltamem import Attachment, MemoryCache
from deltamem.backbone import embedding_weight

__all__ = ["weigh"]


@torch.no_grad()
def weigh(
    attached: Attachment, context: Sequence[int], continuation: Sequence[int]
) -> tuple[float, bool]:
    """Log-probability of a continuation, and whether it is what greedy decoding gives.

    Args:
        attached: the memory on its backbone, from an empty state.
        context: its tokens, at least one.
        continuation: its tokens.
    """
    model = attached.model
    cache, total, greedy = MemoryCache(config=model.config), 0.0, True
    fed = list(context)
    for token in continuation:
        ids = torch.tensor([fed], device=embedding_weight(model).device)
        output, _ = attached.forward(
            ids,
            segments=ids.new_zeros(ids.shape),
            past_key_values=cache,
            logits_to_keep=1,
        )
        logits = output.logits[0, -1]
        total += float(torch.log_softmax(logits, dim=-1)[token])
        greedy = greedy and int(logits.argmax()) == token
        fed = [token]
    return total, greedy
