"""A model that somebody holds already is the same backbone as one that is loaded here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from deltamem import InvalidInput, as_backbone, load_tiny, tiny_folder


@pytest.fixture(scope="module")
def held() -> tuple[Any, Any]:
    return (
        AutoModelForCausalLM.from_pretrained(tiny_folder()),
        AutoTokenizer.from_pretrained(tiny_folder()),
    )


def test_it_has_the_identity_of_the_loaded_one(held: tuple[Any, Any]) -> None:
    ours, loaded = as_backbone(*held), load_tiny()
    assert ours.fingerprint == loaded.fingerprint
    assert ours.prompt_format == loaded.prompt_format
    assert ours.architecture == loaded.architecture
    assert ours.window == loaded.window
    assert ours.model is held[0]


def test_a_backbone_stays_what_it_is() -> None:
    backbone = load_tiny()
    assert as_backbone(backbone) is backbone


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (torch.nn.Linear(2, 2), "Linear is not a causal language model of transformers"),
        ("gpt2", "str is not a causal language model of transformers"),
    ],
)
def test_something_else_is_refused(model: Any, sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        as_backbone(model, None)


def test_a_model_without_its_tokenizer_is_refused(held: tuple[Any, Any]) -> None:
    with pytest.raises(InvalidInput, match="came without its tokenizer"):
        as_backbone(held[0])
