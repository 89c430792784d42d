"""Thinking's tags survive decoding, also where a tokenizer counts them among its special tokens."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from transformers import AddedToken

from deltamem.backbone.generation.thinking import opens_thinking


@pytest.fixture(params=["spelt", "added", "special"])
def backbone(request: pytest.FixtureRequest, tiny: Any) -> Any:
    tokenizer = copy.deepcopy(tiny.tokenizer)
    if request.param != "spelt":
        special = request.param == "special"
        tags = [AddedToken(tag, special=special) for tag in ("<think>", "</think>")]
        tokenizer.add_tokens(tags, special_tokens=special)
    return replace(tiny, tokenizer=tokenizer)


def test_tags_stay_in_an_answer(backbone: Any) -> None:
    text = "<think>\nIs Ada in Rome?\n</think>\n\nAda is in Oslo."
    ids = backbone.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert backbone.decode([*ids, *backbone.stop_ids]) == text
    assert backbone.decode([]) == ""


@pytest.mark.parametrize(
    ("end", "opened"),
    [("<think>", True), ("<think>\n\n", True), ("<think>\n\n</think>\n\n", False), ("", False)],
)
def test_how_a_prompt_ends(end: str, opened: bool, backbone: Any) -> None:
    ids = backbone.tokenizer(f"What of <think>?\nassistant\n{end}", add_special_tokens=False)
    assert opens_thinking(backbone.tokenizer, ids["input_ids"]) is opened
