"""The other suites, small: every figure is there, is finite, and says what was divided by what."""

from __future__ import annotations

import math
import os
from collections import Counter
from importlib import import_module
from typing import Any

import pytest

from deltamem.delta_rule import VARIABLE
from deltamem_cli.speed.decode.decode import cpu_figures
from deltamem_cli.speed.decode.laptop import decode_figures
from deltamem_cli.speed.models import SMOLLM2_135M

SMALL_LLAMA = {**SMOLLM2_135M, "num_hidden_layers": 2, "vocab_size": 200}
SMALL: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
    "decode": (
        {"tokens": 2, "rounds": (1, 1)},
        {"decode.relative_throughput": 4, "decode.with_prompt": 4},
    ),
    "train": (
        {"tokens": 64, "rounds": 1, "laptop": SMALL_LLAMA},
        {
            "train.step_vs_noop": 1,
            "train.step_vs_naive": 1,
            "train.naive_vs_noop": 1,
            "train.measured": 1,
            "train.step_vs_bare": 4,
        },
    ),
    "threads": (
        {"rounds": 1},
        {
            "threads.default.wall": 1,
            "threads.default.process": 1,
            "threads.asleep.wall": 1,
            "threads.asleep.process": 1,
        },
    ),
    "eval": (
        {"tokens": 64, "questions": 4, "sampled": 2, "rounds": 1},
        {"eval.ask_many": 1, "eval.batched": 1},
    ),
}


@pytest.mark.parametrize("suite", SMALL)
def test_figures(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "torch")
    settings, wanted = SMALL[suite]
    # what a GPU would give has tests of its own
    measure = {"decode": cpu_figures}.get(suite) or import_module(
        f"deltamem_cli.speed.{suite}"
    ).figures
    found = list(measure(lambda d, t: None, **settings))
    counted = Counter(figure.name for figure in found)
    assert counted.keys() == wanted.keys()
    assert all(counted[name] >= least for name, least in wanted.items())
    for figure in found:
        low, high = figure.spread
        assert 0 < low <= figure.ratio <= high < math.inf
        assert " over " in figure.setting or "tsw" in figure.setting
    assert os.environ[VARIABLE] == "torch"


def test_single_tokens_of_a_laptops_model() -> None:
    found = list(
        decode_figures(
            lambda d, t: None, architecture=SMALL_LLAMA, histories=(12,), tokens=2, rounds=1
        )
    )
    assert [figure.name for figure in found] == ["decode.token_vs_bare"] * 2
    assert all(0 < figure.ratio < math.inf for figure in found)
