"""Figures of a GPU without one: every line of their code, in small, under Triton's interpreter."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from scan_inputs import DOUBLE, close, inputs, with_gradients
from triton_processes import needs_triton, run

from deltamem.delta_rule import delta_rule_naive
from deltamem_cli.speed.alternate import LeftOut
from deltamem_cli.speed.scan.cuda import NAMES, cuda_figures

HERE = Path(__file__).parent


@needs_triton
def test_sequential_kernels_and_figures_under_the_interpreter() -> None:
    found = run(HERE / "interpreted_scan.py", TRITON_INTERPRET="1")
    assert len(found["errors"]) == 4
    assert max(found["errors"].values()) <= DOUBLE, found["errors"]
    figures = found["figures"]
    settings = [f"{way}, B={b} T=3" for b in (1, 2) for way in ("forward", "forward and backward")]
    assert [one["name"] for one in figures] == list(NAMES) * len(settings)
    for number, setting in enumerate(settings):
        for one in figures[3 * number : 3 * number + 3]:
            assert " over " in one["setting"]
            assert f", {setting} N=1 r=8 bfloat16, cpu" in one["setting"]
            assert 0 < one["spread"][0] <= one["ratio"] <= one["spread"][1] < math.inf


@needs_triton
def test_sequential_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    found = run(HERE / "compiled_scan.py", TRITON_CACHE_DIR=str(tmp_path), TRITON_INTERPRET="0")
    assert found == {"forward": 0, "backward": 0}


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_gpu_it_says_what_is_left_out() -> None:
    (found,) = cuda_figures(lambda done, total: None, rounds=1)
    assert found == LeftOut(names=NAMES, reason="this machine has no CUDA device")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_sequential_kernels_on_a_gpu() -> None:
    from deltamem_cli.speed.scan.sequential import delta_rule_sequential

    tensors = {name: x.cuda() for name, x in inputs(2, 100, 3, 8).items()}
    got = with_gradients(delta_rule_sequential, tensors, None)
    wanted = with_gradients(delta_rule_naive, tensors, None)
    for one, other in ((got[0], wanted[0]), (got[1], wanted[1])):
        close(one, other, DOUBLE)
    for name, gradient in wanted[2].items():
        close(got[2][name], gradient, DOUBLE)
