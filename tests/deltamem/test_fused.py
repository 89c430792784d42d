"""The Triton form without a GPU: Triton's interpreter for results, its compiler for the rest."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from scan_inputs import DOUBLE, inputs

from deltamem.delta_rule import VARIABLE, delta_rule, delta_rule_fused
from deltamem.delta_rule.fused import chunk_length
from deltamem.errors import Unavailable

HERE = Path(__file__).parent
WITHOUT = importlib.util.find_spec("triton") is None
needs_triton = pytest.mark.skipif(WITHOUT, reason="triton is not installed (extra: triton)")


def run(script: str, **variables: str) -> str:
    path = os.pathsep.join([str(HERE.parent), str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(HERE / script)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path} | variables,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs_triton
def test_equals_the_recurrence_under_the_interpreter() -> None:
    found = json.loads(run("interpreted_fused.py", TRITON_INTERPRET="1"))
    assert len(found) == 10
    assert max(found.values()) <= DOUBLE, found


@needs_triton
def test_kernels_compile_for_a_gpu(tmp_path: Path) -> None:
    """What the interpreter lets pass and the compiler does not: types, shapes, annotations."""
    options = {"TRITON_CACHE_DIR": str(tmp_path), "TRITON_INTERPRET": "0"}
    made = json.loads(run("compiled_fused.py", **options))
    assert len(made) == 7
    assert all(made.values()), made


def test_on_a_cpu_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "triton")
    with pytest.raises(Unavailable, match="pip install" if WITHOUT else "runs on CUDA") as caught:
        delta_rule(*inputs(1, 9, 1, 4).values())
    assert caught.value.exit_code == 4
    assert VARIABLE in str(caught.value)


@pytest.mark.parametrize(
    ("time", "length"), [(1, 16), (512, 16), (2048, 32), (8192, 64), (131_072, 256), (10**7, 256)]
)
def test_chunks_are_about_as_long_as_their_number(time: int, length: int) -> None:
    assert chunk_length(time) == length


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_equals_the_recurrence_on_a_gpu() -> None:
    tensors = {name: x.cuda() for name, x in inputs(2, 100, 3, 8).items()}
    reads, state = delta_rule_fused(*tensors.values())
    wanted_reads, wanted_state = delta_rule(*(x.cpu() for x in tensors.values()))
    assert float((reads.cpu() - wanted_reads).abs().max()) <= DOUBLE
    assert float((state.cpu() - wanted_state).abs().max()) <= DOUBLE
