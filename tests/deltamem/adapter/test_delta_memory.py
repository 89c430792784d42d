"""An adapter on a model of transformers that a user holds: loaded, used, saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from deltamem import DeltaMemory, InvalidInput, load_adapter, load_tiny, tiny_folder

SHIPPED = tiny_folder() / "adapters" / "msw"


@pytest.fixture
def held() -> tuple[Any, Any]:
    """A model, which a test may change, and its tokenizer."""
    return (
        AutoModelForCausalLM.from_pretrained(tiny_folder(), dtype=torch.float32),
        AutoTokenizer.from_pretrained(tiny_folder()),
    )


@pytest.mark.parametrize("source", [SHIPPED, str(SHIPPED)], ids=["path", "text"])
def test_it_is_the_adapter_that_a_backbone_gets(held: tuple[Any, Any], source: str | Path) -> None:
    ours = load_adapter(source, *held)
    assert ours.sha == load_adapter(SHIPPED, load_tiny()).sha
    assert not ours.training


def test_plain_calls_of_the_model_answer_as_the_backbone_does(held: tuple[Any, Any]) -> None:
    backbone = load_tiny()
    ids = backbone.render([{"role": "user", "content": "Today Clara is in Oslo."}]).ids
    tokens = torch.tensor([ids])
    logits = []
    for model, memory in (
        (held[0], load_adapter(SHIPPED, *held)),
        (backbone.model, load_adapter(SHIPPED, backbone)),
    ):
        with memory.attach(model), torch.no_grad():
            logits.append(model(input_ids=tokens).logits)
    torch.testing.assert_close(*logits, rtol=0, atol=0)


def test_what_is_saved_comes_back(held: tuple[Any, Any], tmp_path: Path) -> None:
    memory = load_adapter(SHIPPED, *held)
    memory.save_pretrained(tmp_path / "mine", *held)
    back = DeltaMemory.from_pretrained(tmp_path / "mine", *held)
    assert (back.sha, back.config) == (memory.sha, memory.config)


def test_a_model_of_other_weights_is_refused(held: tuple[Any, Any]) -> None:
    model, tokenizer = held
    next(model.parameters()).data += 1
    with pytest.raises(InvalidInput, match=r"was trained on tiny .* and the backbone is "):
        load_adapter(SHIPPED, model, tokenizer)
