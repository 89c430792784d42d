"""The Triton form without a GPU: Triton's interpreter for results, its compiler for the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scan_inputs import DOUBLE, inputs
from triton_processes import needs_triton, run

from deltamem.delta_rule import VARIABLE, delta_rule
from deltamem.delta_rule.choice import WIDEST, chosen_form
from deltamem.delta_rule.many_tokens.fused import chunk_length, has_triton
from deltamem_base.faults import InvalidInput, Unavailable

HERE = Path(__file__).parent


@needs_triton
def test_equals_the_recurrence_under_the_interpreter() -> None:
    found = run(HERE / "interpreted_fused.py", TRITON_INTERPRET="1")
    assert len(found) == 10
    assert max(found.values()) <= DOUBLE, found


@needs_triton
def test_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    """What the interpreter lets pass and the compiler does not, and registers that are enough."""
    made = run(HERE / "compiled_fused.py", TRITON_CACHE_DIR=str(tmp_path), TRITON_INTERPRET="0")
    assert len(made) == 9
    assert not any(made.values()), made


def test_on_a_cpu_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "triton")
    with pytest.raises(
        Unavailable, match="runs on CUDA" if has_triton() else "pip install"
    ) as caught:
        delta_rule(*inputs(1, 9, 1, 4).values())
    assert caught.value.exit_code == 4
    assert VARIABLE in str(caught.value)


@pytest.mark.parametrize(
    ("time", "length"), [(1, 16), (512, 16), (2048, 32), (8192, 64), (131_072, 256), (10**7, 256)]
)
def test_chunks_are_about_as_long_as_their_number(time: int, length: int) -> None:
    assert chunk_length(time) == length


@pytest.mark.parametrize(
    ("settings", "form"),
    [
        ({}, "triton"),
        ({"time": 2}, "triton"),
        ({"time": 1}, "step"),
        ({"rank": WIDEST}, "triton"),
        ({"rank": WIDEST + 1}, "torch"),
        ({"device": "cpu"}, "cpp"),
        ({"device": "cpu", "time": 2}, "cpp"),
        ({"device": "cpu", "gradients": True}, "torch"),
        ({"device": "cpu", "compiled": False}, "torch"),
        ({"device": "mps"}, "torch"),
        ({"gradients": True}, "triton"),
        ({"triton": False}, "torch"),
        ({"dtype": torch.float64}, "triton"),
        ({"dtype": torch.bfloat16}, "naive"),
        ({"named": "torch"}, "torch"),
        ({"named": "torch", "time": 1}, "step"),
        ({"named": "naive", "time": 1}, "naive"),
        ({"named": "triton", "device": "cpu"}, "triton"),
    ],
    ids=str,
)
def test_the_form_follows_from_device_sizes_and_what_is_named(settings, form: str) -> None:
    usual = {"device": "cuda", "triton": True, "compiled": True, "gradients": False}
    assert chosen_form(**{**usual, "time": 8192, "rank": 8, **settings}) == form


def test_a_rank_that_fits_no_register_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "triton")
    with pytest.raises(InvalidInput, match=f"ranks up to {WIDEST}, and this one is 33"):
        delta_rule(*inputs(1, 9, 1, 33).values())
