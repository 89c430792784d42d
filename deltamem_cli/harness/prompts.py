"""Prompts of lm-eval, each cut into what came before its last question and what stays in view."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from deltamem.backbone import Backbone, Rendered
from deltamem_base.faults import InvalidInput

__all__ = ["Prompt", "Prompts", "one_segment"]

Turns = Sequence[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt in two parts."""

    history: Rendered | None
    """Tokens that only the memory gets; None where nothing came before the question."""
    visible: str
    """Text that stays in view."""


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """All prompts that were made of turns; lm-eval gives back only their whole texts."""

    backbone: Backbone
    question_after: str | None
    encode: Callable[[str], list[int]]
    """Tokens of a text without turns."""
    _known: dict[str, Prompt] = field(default_factory=dict)

    def remember(self, whole: str, turns: Turns, *, show: Callable[[Turns], str]) -> None:
        """Cut a prompt before lm-eval takes its text.

        Args:
            whole: the text of all turns.
            turns: the last one of a user asks the question; what an assistant has said behind it
                is the beginning of the answer.
            show: makes a text of turns.
        """
        last = max((n for n, turn in enumerate(turns) if turn["role"] == "user"), default=0)
        before, question = self._cut(turns[last]["content"])
        told = [{**turns[last], "content": before}] if before else []
        history = [*turns[:last], *told]
        said = any(turn["role"] != "system" for turn in history)
        instructions = [turn for turn in turns[:last] if turn["role"] == "system"]
        shown = [*instructions, {**turns[last], "content": question}, *turns[last + 1 :]]
        self._known[whole] = Prompt(
            history=self.backbone.render_history(history) if said else None,
            visible=show(shown) if said else whole,
        )

    def of(self, text: str) -> Prompt:
        """The two parts of a prompt.

        Raises:
            InvalidInput: it was not made of turns, and nothing says where its question begins.
        """
        if text in self._known:
            return self._known[text]
        if text and self.question_after is None:
            raise InvalidInput(
                "write=history has to know where the last question of a prompt begins: add "
                "--apply_chat_template (without --cache_requests), or question_after=TEXT to "
                "--model_args"
            )
        before, question = self._cut(text)
        history = one_segment(self.encode(before), text=before) if before else None
        return Prompt(history=history, visible=question)

    def _cut(self, text: str) -> tuple[str, str]:
        """A text up to the last place of the mark, that included, and the rest."""
        if self.question_after is None:
            return "", text
        before, found, question = text.rpartition(self.question_after)
        return before + found, question


def one_segment(ids: list[int], *, text: str = "") -> Rendered:
    """Tokens without turns as one segment, with their text where somebody asks for it."""
    return Rendered(text=text, ids=ids, message_ids=[0] * len(ids), sentence_ids=[0] * len(ids))
