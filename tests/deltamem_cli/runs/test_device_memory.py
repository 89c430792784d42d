"""What a run is said to take, against what real processes took."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from child_environment import child_environment

from deltamem import Fault
from deltamem_cli.runs.device_memory import (
    Longest,
    device_memory,
    need_of_evaluation,
    need_of_training,
)
from deltamem_cli.runs.fitting import one_sentence_without_memory, smaller, training_shortage
from deltamem_cli.runs.requests import EvaluationRequest, TrainingRequest
from deltamem_cli.settings.compose import compose_each

PEAK = Path(__file__).with_name("training_peak.py")
AGREEMENT = (0.8, 1.3)
"""Estimate over measured peak; seen: 0.96 to 1.17, whatever the speed of the machine."""
PLAIN = {"vocab_size": 2000, "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4,
         "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 32}  # fmt: skip
WORDY = {**PLAIN, "vocab_size": 20000, "hidden_size": 512, "intermediate_size": 1024,
         "num_hidden_layers": 2, "num_key_value_heads": 8, "head_dim": 64}  # fmt: skip
DEEP = {**PLAIN, "vocab_size": 1000, "hidden_size": 128, "intermediate_size": 1024,
        "num_hidden_layers": 10, "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip
CASES = [
    # shape, dtype, rows, written, read, activations made again
    (PLAIN, "float32", 4, 1024, 16, False),
    (PLAIN, "bfloat16", 4, 1024, 16, False),
    (PLAIN, "float32", 4, 1024, 16, True),
    (WORDY, "float32", 8, 256, 256, False),
    (DEEP, "float32", 16, 256, 32, False),
]
QWEN = 4_022_468_096


def training(*words: str) -> TrainingRequest:
    (composed,) = compose_each("train", [words])
    return TrainingRequest.of(composed)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are Linux's to count")
@pytest.mark.parametrize(("shape", "dtype", "rows", "written", "read", "again"), CASES)
def test_what_a_training_takes_was_measured(
    shape: dict[str, Any],
    dtype: str,
    rows: int,
    written: int,
    read: int,
    again: bool,
    tmp_path: Path,
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen3", **shape}))
    request = training(
        "model=hf",
        f"model.id={tmp_path}",
        f"runtime.dtype={dtype}",
        f"training.micro_batch_size={rows}",
        f"training.activation_checkpointing={str(again).lower()}",
    )
    longest = Longest(
        written=written, read=read, answer=read - read // 2, asks=1, from_tokenizer=True
    )
    need = need_of_training(request, request.backbone.empty(), trained=0, longest=longest)
    asked = {"dtype": dtype, "rows": rows, "written": written, "read": read, "again": again}
    done = subprocess.run(
        [sys.executable, str(PEAK), str(tmp_path), json.dumps(asked)],
        env=child_environment(MALLOC_MMAP_THRESHOLD_="65536"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    ratio = need.working / int(done.stdout)
    assert AGREEMENT[0] < ratio < AGREEMENT[1], ratio


@pytest.mark.parametrize(("dtype", "width"), [("float32", 4), ("auto", 4), ("bfloat16", 2)])
def test_weights_are_those_of_the_dtype(dtype: str, width: int) -> None:
    words = ("model=qwen3-4b", f"runtime.dtype={dtype}", "runtime.device=cpu")
    (composed,) = compose_each("eval", [words])
    request = EvaluationRequest.of(composed)
    need = need_of_evaluation(request, request.backbone.empty())
    assert need.total == need.weights == QWEN * width


def test_a_run_that_cannot_fit_is_told_what_helps() -> None:
    request = training("model=qwen3-4b", "runtime.device=cpu", "training.micro_batch_size=4096")
    longest = Longest(written=8192, read=512, answer=256, asks=1, from_tokenizer=True)
    sentence, share = training_shortage(request, request.backbone.empty(), longest)
    assert share > 1
    assert sentence is not None
    assert sentence.startswith("the run takes about ")
    assert " with training.micro_batch_size=1" in sentence


def test_a_tiny_run_fits() -> None:
    request = training("runtime.device=cpu")
    longest = Longest(written=300, read=30, answer=10, asks=1, from_tokenizer=True)
    sentence, share = training_shortage(request, request.backbone.empty(), longest)
    assert sentence is None
    assert 0 < share < 1
    assert (device_memory("cpu") or 0) > 2**30


def test_train_refuses_before_the_weights_and_doctor_finds_it(cli: Callable[..., Any]) -> None:
    words = ("model=qwen3-4b", "training=recall", "training.steps=1", "runtime.device=cpu",
             "training.batch_size=100000", "training.micro_batch_size=100000")  # fmt: skip
    done = cli("train", *words)
    assert done.code == 4
    assert done.err.startswith("error: the run takes about ")
    assert len(done.err.splitlines()) == 1
    missing = json.loads(cli("doctor", "train", *words, "--json").out)["missing"]
    assert f"memory: {done.err.removeprefix('error: ').rstrip()}" in missing


@pytest.mark.parametrize("fault", ["host", "cuda"])
def test_memory_that_runs_out_is_one_sentence(fault: str) -> None:
    import torch

    request = training("training.micro_batch_size=8")
    with (
        pytest.raises(Fault, match=r"^memory ran out in training: use training.micro_batc"),
        one_sentence_without_memory(
            [word for word, _ in smaller(request)], otherwise="a smaller training.write_length"
        ),
    ):
        if fault == "host":
            torch.empty(2**60, dtype=torch.uint8)
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
