"""A tokenizer's chat template: applied to turns, and asked once for the habits it has.

What a template does is found by rendering marks with it, never by the name of a model: whether it
has a place for instructions, and which token ends an assistant's turn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from deltamem.backbone.rendering.template_date import TEMPLATE_DATE, dated_template
from deltamem_base.faults import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["INSTRUCTIONS_MOVED", "ChatTemplate", "chat_template", "mark"]

INSTRUCTIONS_MOVED = (
    "the chat template has no place for a system message: instructions stand at the start of the "
    "first user turn, with a blank line after them"
)
"""Stamp of what was made with such a template, for a record or a card."""
REMEMBERED = 32
"""Number of templates whose habits are kept."""


def mark(number: int) -> str:
    """Text that stands for a content: private-use characters that no template treats specially."""
    return f"\ue000{number}\ue001"


@dataclass(frozen=True, kw_only=True)
class _Habits:
    system_role: bool
    end_of_turn: int | None


@dataclass(frozen=True, eq=False, kw_only=True)
class ChatTemplate:
    """A tokenizer with the template, the switches and the date it is applied with."""

    tokenizer: PreTrainedTokenizerBase
    options: Mapping[str, Any]
    """Keywords of ``apply_chat_template``: the template with its date, and its switches."""

    @property
    def system_role(self) -> bool:
        """Whether a system message has a place of its own; False where it is refused or dropped."""
        return self.tokenizer.chat_template is None or self._habits.system_role

    @property
    def end_of_turn(self) -> int | None:
        """Id of the special token behind an assistant's answer; None where there is not just one.

        It may differ from the tokenizer's end of sequence, as where a base model's
        ``<|endoftext|>`` was kept and the turns of its template end in ``<|im_end|>``.
        """
        return None if self.tokenizer.chat_template is None else self._habits.end_of_turn

    @property
    def closings(self) -> tuple[str, ...]:
        """Texts that end a turn: the tokenizer's end of sequence, and the template's own token."""
        own = self.end_of_turn
        named = None if own is None else self.tokenizer.convert_ids_to_tokens(own)
        assert not isinstance(named, list)  # of one id
        return tuple(dict.fromkeys(text for text in (self.tokenizer.eos_token, named) if text))

    def apply(self, turns: Sequence[Mapping[str, str]], *, add_generation_prompt: bool) -> str:
        """Text of some turns.

        Raises:
            InvalidInput: there is no template, or it refuses these turns.
        """
        from jinja2 import TemplateError

        try:
            return self._apply(turns, add_generation_prompt=add_generation_prompt)
        except TemplateError as fault:
            roles = ", ".join(turn["role"] for turn in turns[:8])
            raise InvalidInput(
                f"the chat template of {self.tokenizer.name_or_path} refuses turns of the roles "
                f"{roles}: {fault}"
            ) from fault

    @cached_property
    def _habits(self) -> _Habits:
        # as text, for switches need not be hashable
        return _habits(self.tokenizer, json.dumps(self.options, sort_keys=True, default=str))

    def _apply(self, turns: Sequence[Mapping[str, str]], *, add_generation_prompt: bool) -> str:
        if self.tokenizer.chat_template is None:
            raise InvalidInput(
                f"the tokenizer of {self.tokenizer.name_or_path} has no chat template"
            )
        text = self.tokenizer.apply_chat_template(
            [dict(turn) for turn in turns],
            tokenize=False,
            add_generation_prompt=add_generation_prompt,
            **self.options,
        )
        return str(text)


def chat_template(
    tokenizer: PreTrainedTokenizerBase,
    template_kwargs: Mapping[str, object] | None = None,
    template_date: str = TEMPLATE_DATE,
) -> ChatTemplate:
    """The chat template of a tokenizer, with its switches, on a day.

    Args:
        tokenizer: a fast tokenizer.
        template_kwargs: switches of the template, such as ``enable_thinking=False``.
        template_date: YYYY-MM-DD, the day that the template takes for today.
    """
    options = dict(template_kwargs or {})
    if tokenizer.chat_template is not None:
        options["chat_template"] = dated_template(tokenizer.get_chat_template(), template_date)
    return ChatTemplate(tokenizer=tokenizer, options=options)


@lru_cache(maxsize=REMEMBERED)
def _habits(tokenizer: PreTrainedTokenizerBase, options: str) -> _Habits:
    template = ChatTemplate(tokenizer=tokenizer, options=json.loads(options))
    return _Habits(system_role=_system_role(template), end_of_turn=_end_of_turn(template))


def _marked(template: ChatTemplate, *roles: str) -> str | None:
    """The text of turns with marks for contents; None where they are refused."""
    from jinja2 import TemplateError

    turns = [{"role": role, "content": mark(number)} for number, role in enumerate(roles)]
    try:
        return template._apply(turns, add_generation_prompt=False)
    except TemplateError:
        return None


def _system_role(template: ChatTemplate) -> bool:
    text = _marked(template, "system", "user")
    if text is None:
        return _marked(template, "user") is None
    return mark(0) in text


def _end_of_turn(template: ChatTemplate) -> int | None:
    """The first special token behind an answer that is last, or else behind one that is not."""
    tokenizer = template.tokenizer
    for roles in (("user", "assistant"), ("user", "assistant", "user")):
        after = (_marked(template, *roles) or "").partition(mark(1))[2].partition(mark(2))[0]
        ids = tokenizer(after.lstrip(), add_special_tokens=False)["input_ids"]
        added = tokenizer.added_tokens_decoder.get(ids[0]) if ids else None
        if added is not None and added.special:
            return int(ids[0])
    return None
