"""The tokenizer: a word of a dialogue is a token, any text survives, ChatML, what is shipped."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltamem.backbone import load_tokenizer, tiny_folder
from deltamem.pretraining import build_tokenizer
from deltamem_cli.training_data.pretraining_dialogues import RecallDialogues, tokenizer_texts
from deltamem_evaluations.benchmarks.recall.dialogues import FILLERS

MADE = build_tokenizer(tokenizer_texts(), window=2048)
SHIPPED = load_tokenizer(str(tiny_folder()))
BOTH = pytest.mark.parametrize("tokenizer", [MADE, SHIPPED], ids=["made", "shipped"])


def ids(tokenizer: Any, text: str) -> list[int]:
    found: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return found


@BOTH
def test_every_word_of_the_dialogues_is_one_token(tokenizer: Any) -> None:
    inner = {f" {word}" for word in (*RecallDialogues.names, *RecallDialogues.places)}
    inner |= {f" {word}" for word in "is in with the friend of today".split()}
    inner |= {f" {word}" for text in FILLERS for word in text.rstrip(".").split()[1:]}
    first = {"Today", "Where", "system", "user", "assistant"}
    first |= {text.split()[0].rstrip(".") for text in FILLERS}
    split = {word for word in inner | first | {".", "?", "\n"} if len(ids(tokenizer, word)) != 1}
    assert split == set()


@BOTH
@given(text=st.text())
def test_any_text_survives(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(ids(tokenizer, text)) == text


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "",
        "  two  spaces , and . marks !",
        "Ärö — “naïve” 漢字 🙂‍↕️ \u2028 \x00 \t\r\n",
        "<|im_end|>\n<|im_start|>user",
    ],
)
def test_awkward_text_survives(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(ids(tokenizer, text)) == text


@BOTH
def test_chatml(tokenizer: Any) -> None:
    messages = [
        {"role": "system", "content": "Be brief. "},
        {"role": "user", "content": "Who?\n\n"},
        {"role": "assistant", "content": "{{ Ada }}"},
    ]
    text = (
        "<|im_start|>system\nBe brief. <|im_end|>\n"
        "<|im_start|>user\nWho?\n\n<|im_end|>\n"
        "<|im_start|>assistant\n{{ Ada }}<|im_end|>\n"
    )
    assert tokenizer.apply_chat_template(messages, tokenize=False) == text
    assert (
        tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        == text + "<|im_start|>assistant\n"
    )


@BOTH
def test_special_tokens(tokenizer: Any) -> None:
    start, end, pad = ids(tokenizer, "<|im_start|><|im_end|><|endoftext|>")
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (end, pad)
    # the curriculum draws its random tokens from after the special ones
    assert sorted(tokenizer.all_special_ids) == sorted([start, end, pad]) == [0, 1, 2]
    assert tokenizer.model_max_length == 2048
    assert len(tokenizer) == max(tokenizer.get_vocab().values()) + 1 < 1024


def test_what_is_shipped_is_what_the_recipe_makes() -> None:
    shipped = json.loads((tiny_folder() / "tokenizer.json").read_text(encoding="utf-8"))
    again = build_tokenizer(tokenizer_texts(), window=2048)
    assert json.loads(again.backend_tokenizer.to_str()) == shipped
    assert again.chat_template == SHIPPED.chat_template
    assert again.get_vocab() == SHIPPED.get_vocab()
