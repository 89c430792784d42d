"""Where weights go, in which numbers, and what identifies a backbone with its prompts."""

from __future__ import annotations

import copy
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_templates import DATED

from deltamem import DeltaMemConfig, DeltaMemory, InvalidInput, Unavailable
from deltamem.backbone import load_backbone, tiny_folder
from deltamem.backbone.loading.placement import choose_attention, choose_dtype, find_device
from deltamem.backbone.loading.quantization import dense_weight, quantization_options

FOLDER = str(tiny_folder())
IDS = torch.arange(5, 45)[None]
CUDA, CPU, MPS = (torch.device(name) for name in ("cuda", "cpu", "mps"))
PLACED_ELSEWHERE = 1e-3
"""Logits of one model on another device, float32."""
STEPS = {"4bit": 8, "8bit": 100}
"""A weight may be off by its row's largest divided by this: NF4's widest gap, and 127 levels."""


@pytest.mark.parametrize(
    ("asked", "where", "dtype", "installed", "chosen"),
    [
        ("auto", CUDA, torch.bfloat16, True, "flash_attention_2"),
        ("auto", CUDA, torch.float16, True, "flash_attention_2"),
        ("auto", CUDA, torch.float32, True, None),
        ("auto", CUDA, None, True, None),
        ("auto", CUDA, torch.bfloat16, False, None),
        ("auto", CPU, torch.bfloat16, True, None),
        ("auto", MPS, torch.float16, True, None),
        ("eager", CUDA, torch.bfloat16, True, "eager"),
    ],
)
def test_attention(asked: str, where: Any, dtype: Any, installed: bool, chosen: str | None) -> None:
    made = choose_attention(asked, where, dtype=lambda: dtype, flash_installed=installed)
    assert made == chosen


def test_dtype_and_device() -> None:
    assert [choose_dtype("auto", where) for where in (CUDA, MPS, CPU)] == [
        "auto",
        "float32",
        "float32",
    ]
    assert choose_dtype("bfloat16", CPU) == "bfloat16"
    with pytest.raises(InvalidInput, match="dtype is 'half'; choose one of auto, float32"):
        choose_dtype("half", CPU)
    assert find_device("cpu") == CPU
    with pytest.raises(InvalidInput, match="device is 'gpu'; use auto, cpu, mps"):
        find_device("gpu")


def test_the_attention_that_was_chosen_is_told(tiny: Any) -> None:
    assert tiny.numerics == {
        "model_dtype": "float32",
        "model_attention": "sdpa",
        "model_device": "cpu",
    }


@pytest.mark.parametrize("device_map", ["auto", {"": "cpu"}], ids=str)
def test_a_device_map(device_map: Any, tiny: Any) -> None:
    spread = load_backbone(FOLDER, device_map=device_map, dtype="float32")
    got = spread.model(IDS.to(spread.device)).logits.cpu()
    torch.testing.assert_close(
        got, tiny.model(IDS).logits, atol=PLACED_ELSEWHERE, rtol=PLACED_ELSEWHERE
    )
    assert spread.fingerprint == tiny.fingerprint
    with pytest.raises(InvalidInput, match="device_map=.* places the layers itself: leave dev"):
        load_backbone(FOLDER, device_map=device_map, device="cpu")


def test_layers_that_come_and_go_are_refused() -> None:
    away = {"model.embed_tokens": "cpu", "model.layers": "disk", "model.norm": "cpu"}
    away |= {"lm_head": "cpu", "model.rotary_emb": "cpu"}
    with pytest.raises(InvalidInput, match=r"does not fit: device_map leaves \d+ of its weights"):
        load_backbone(FOLDER, device_map=away)


@pytest.mark.parametrize("bits", ["4bit", "8bit"])
@pytest.mark.filterwarnings("ignore:MatMul8bitLt")
def test_quantised(bits: str, tiny: Any) -> None:
    backbone = load_backbone(FOLDER, quantization=bits, device="cpu", name="tiny")
    assert backbone.fingerprint == tiny.fingerprint
    assert backbone.identity == replace(tiny.identity, model_quantization=bits)
    layers = [b.model.model.layers[0].self_attn.q_proj for b in (backbone, tiny)]
    assert not layers[0].weight.is_floating_point()
    got, exact = (dense_weight(layer) for layer in layers)
    assert exact is layers[1].weight
    assert not torch.equal(got, exact)
    assert float((got - exact).abs().max()) < float(exact.abs().max()) / STEPS[bits]
    memory = DeltaMemory(DeltaMemConfig(), backbone.model).initialise(backbone.model, seed=0)
    assert float(memory.layer(0).delta_q_proj.detach().abs().max()) > 0
    with memory.attach(backbone.model) as attached, torch.no_grad():
        output, state = attached.forward(IDS)
    assert torch.isfinite(output.logits).all()
    assert all(bool(s.abs().max() > 0) for s in state.layers.values())


def test_what_cannot_be_quantised(monkeypatch: pytest.MonkeyPatch) -> None:
    assert quantization_options(None, CPU, dtype="float32") == {}
    with pytest.raises(InvalidInput, match="quantization is '3bit'; choose one of 4bit, 8bit"):
        load_backbone(FOLDER, quantization="3bit")
    with pytest.raises(InvalidInput, match="bitsandbytes does not work on meta devices"):
        quantization_options("4bit", torch.device("meta"), dtype="float32")
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(Unavailable, match=r"pip install 'deltamem\[quantized\]'"):
        load_backbone(FOLDER, quantization="4bit")


def test_a_folder_has_no_revision_and_a_date_is_checked_first() -> None:
    assert load_backbone(FOLDER, revision="c" * 40).revision is None
    with pytest.raises(InvalidInput, match="template_date is 'today'"):
        load_backbone("no/such-model", template_date="today")


def test_what_identifies_a_prompt(tiny: Any) -> None:
    other = copy.deepcopy(tiny.tokenizer)
    other.chat_template = DATED
    more = copy.deepcopy(tiny.tokenizer)
    more.add_tokens(["zzz"])
    made = [
        tiny,
        replace(tiny, tokenizer=other),
        replace(tiny, tokenizer=more),
        replace(tiny, template_kwargs={"enable_thinking": False}),
        replace(tiny, template_date="2025-07-02"),
    ]
    assert len({backbone.prompt_format for backbone in made}) == len(made)
    again = load_backbone(FOLDER)
    again.tokenizer(["a", "b c d"], padding=True, truncation=True, max_length=2)
    assert again.prompt_format == tiny.prompt_format
    assert Path(FOLDER).is_dir()
