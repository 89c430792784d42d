"""Decoding after a long prompt, in miniature and on a CPU."""

from __future__ import annotations

import math

import pytest
import torch
import yaml
from conftest import ROOT
from random_models import MINIATURE

from deltamem_cli.speed.alternate import LeftOut
from deltamem_cli.speed.decode.cuda import NAME, QWEN3_4B, cuda_figures, device_figures

PROMPT = 12


def test_figures_writing_and_not() -> None:
    small = {"architecture": QWEN3_4B | MINIATURE, "prompt": PROMPT, "tokens": 2, "rounds": 1}
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
