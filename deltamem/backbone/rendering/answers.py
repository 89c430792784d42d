"""Tokens of an answer that is given, as the assistant's turn has them."""

from __future__ import annotations

from deltamem.backbone.backbone import Backbone
from deltamem.backbone.inputs import Messages
from deltamem_base.faults import InvalidInput

__all__ = ["prompt_and_answer"]


def prompt_and_answer(
    backbone: Backbone, visible: Messages, answer: str
) -> tuple[list[int], list[int]]:
    """Tokens of a prompt and of an answer to it, the end of the assistant's turn included.

    An answer that the template shows otherwise than it was given, such as one that holds
    ``</think>``, is taken as it was given.
    """
    prompt = backbone.render(visible, add_generation_prompt=True).ids
    try:
        whole = backbone.render([*visible, {"role": "assistant", "content": answer}]).ids
    except InvalidInput:
        whole = []
    if whole[: len(prompt)] == prompt:
        tokens = whole[len(prompt) :]
        ends = [i for i, token in enumerate(tokens) if token in backbone.stop_ids]
        if ends:
            return prompt, tokens[: ends[0] + 1]
    text = backbone.tokenizer(answer, add_special_tokens=False)["input_ids"]
    own = backbone.template.end_of_turn
    end = backbone.tokenizer.eos_token_id if own is None else own
    return prompt, text if end is None else [*text, end]
