"""Ask about the histories of a view with logits of one's own, made for the rows that are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from deltamem.backbone import (
    DecodingLike,
    DroppedContext,
    Generation,
    MemoryCache,
    NextLogits,
    PromptLike,
    VisibleContext,
    generate,
)

__all__ = ["StepFor", "ask"]

StepFor = Callable[[Sequence[int]], NextLogits]
"""The histories of a batch of prompts, by number -> the next-token logits for that batch."""


def ask(
    view: VisibleContext | DroppedContext,
    prompts: Sequence[PromptLike],
    decoding: DecodingLike,
    *,
    step_for: StepFor,
) -> list[Generation]:
    """Answer prompts; where layers have sliding windows one at a time, as the view itself does."""
    alone = any(MemoryCache(config=view.backbone.model.config).is_sliding)
    size = 1 if alone else len(prompts)
    answers: list[Generation] = []
    for start in range(0, len(prompts), size):
        group = prompts[start : start + size]
        step = step_for([prompt.history for prompt in group])
        if isinstance(view, VisibleContext):
            answers += view.ask(group, decoding, next_logits=step)
        else:
            answers += generate(
                view.backbone,
                [view.prompt_ids(prompt) for prompt in group],
                decoding,
                seeds=[prompt.seed for prompt in group],
                next_logits=step,
            )
    return answers
