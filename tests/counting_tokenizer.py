"""A backbone whose tokenizer counts the chats that it renders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

__all__ = ["counting", "renderings"]


class CountingTokenizer:
    """Another tokenizer, with the number of chats that were rendered by its template."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer, self.chats = tokenizer, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.tokenizer, name)

    def __call__(self, *texts: Any, **keywords: Any) -> Any:
        return self.tokenizer(*texts, **keywords)

    def apply_chat_template(self, *chats: Any, **keywords: Any) -> Any:
        self.chats += 1
        return self.tokenizer.apply_chat_template(*chats, **keywords)


def counting(backbone: Any, messages: Any) -> tuple[Any, int]:
    """A backbone that counts, and the chats that one rendering of a history takes."""
    made = replace(backbone, tokenizer=CountingTokenizer(backbone.tokenizer))
    made.render_history(messages)  # looks at the template first, which is remembered
    made.tokenizer.chats = 0
    made.render_history(messages)
    return made, renderings(made)


def renderings(backbone: Any) -> int:
    """The chats since this was last asked."""
    chats: int = backbone.tokenizer.chats
    backbone.tokenizer.chats = 0
    return chats
