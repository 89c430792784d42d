"""Decoding after a long prompt, in miniature and on a CPU."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import yaml
from conftest import ROOT

from deltamem import DeltaMemConfig, DeltaMemory
from deltamem_cli.timing.alternate import LeftOut
from deltamem_cli.timing.decode_cuda import (
    NAME,
    QWEN3_4B,
    cuda_figures,
    decode,
    device_figures,
    read,
)
from deltamem_cli.timing.models import random_model

MINIATURE = QWEN3_4B | {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 1.0,
}
PROMPT, NEW = 12, 6


def generated(model: Any, ids: torch.Tensor) -> list[int]:
    settings = {"max_new_tokens": NEW, "do_sample": False, "pad_token_id": 0}
    return model.generate(ids, attention_mask=torch.ones_like(ids), **settings)[0, PROMPT:].tolist()


def test_what_is_timed_are_single_tokens_and_those_of_generate() -> None:
    model = random_model(MINIATURE)
    memory = DeltaMemory(DeltaMemConfig(init_gain=50.0, beta_bias_init=2.0), model).initialise(
        model, seed=0
    )
    ids = torch.randint(97, (1, PROMPT), generator=torch.Generator().manual_seed(1))
    bare, bare_cache = generated(model, ids), read(model, ids)
    assert len(set(bare)) > 1
    with memory.attach(model):
        wanted, cache = generated(model, ids), read(model, ids)
    assert wanted != bare
    lengths: list[int] = []
    model.get_decoder().register_forward_pre_hook(
        lambda module, args, kwargs: lengths.append(kwargs["input_ids"].shape[1]), with_kwargs=True
    )
    for _ in range(2):
        assert decode(model, ids, bare_cache, NEW)[0].tolist() == bare
        with memory.attach(model):
            assert decode(model, ids, cache, NEW)[0].tolist() == wanted
    assert lengths == [1] * (4 * NEW)
    assert cache.get_seq_length() == PROMPT - 1


def test_figures_writing_and_not() -> None:
    small = {"architecture": MINIATURE, "prompt": PROMPT, "tokens": 2, "rounds": 1}
    found = list(device_figures(lambda done, total: None, device="cpu", **small))
    assert [one.name for one in found] == [NAME] * 2
    assert [one.setting.split(", random")[0] for one in found] == [
        "tsw, writing",
        "tsw, writes off",
    ]
    assert all(0 < one.ratio < math.inf for one in found)
    assert "2 layers of 32, bfloat16, cpu, 2 tokens after 12" in found[0].setting


def test_the_shape_is_that_of_the_papers_backbone() -> None:
    conf = yaml.safe_load((ROOT / "conf" / "model" / "qwen3-4b.yaml").read_text(encoding="utf-8"))
    known = {k: v for k, v in conf["architecture"].items() if k not in ("of", "model_type")}
    assert known == {name: QWEN3_4B[name] for name in known}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_what_is_left_out() -> None:
    (found,) = cuda_figures(lambda done, total: None)
    assert found == LeftOut(names=(NAME,), reason="this machine has no CUDA device")
