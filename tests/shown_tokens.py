"""Tokens that the bare backbone reads of a question, counted apart from all that runs do."""

from __future__ import annotations

from typing import Any

__all__ = ["shown_tokens"]


def shown_tokens(benchmark: Any, sample: Any, backbone: Any, *, context: str) -> int:
    """Tokens of a history in view, or of its instructions alone, with the question behind it."""
    history = benchmark.history(sample.history_id)
    shown = history.messages if context == "visible" else history.messages[:1]
    asked = {"role": "user", "content": sample.question}
    prompt = backbone.render([*shown, asked], join=history.join, add_generation_prompt=True)
    return len(prompt.ids)
