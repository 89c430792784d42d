"""The Triton step without a GPU: Triton's interpreter for results, its compiler for the rest."""

from __future__ import annotations

from pathlib import Path

from single_tokens import SAME, SETTINGS
from triton_processes import needs_triton, run

HERE = Path(__file__).parent
STEP = 1.0
"""A rounded number is half a step off at most; the interpreter cuts bfloat16 off: a whole one."""


@needs_triton
def test_equals_the_layer_under_the_interpreter() -> None:
    found = run(HERE / "interpreted_step.py", TRITON_INTERPRET="1")
    assert len(found["settings"]) == 2 * len(SETTINGS) + 2
    assert max(found["settings"].values()) <= SAME, found["settings"]
    assert max(found["small"], found["changed"], found["decoded"]) <= SAME
    assert len(found["dtypes"]) == 3
    assert max(found["dtypes"].values()) <= STEP
    assert found["served"] == [True, False]
    tokens, wanted = found["tokens"]
    assert tokens == wanted


@needs_triton
def test_the_kernel_compiles_for_a_gpu(tmp_path: Path) -> None:
    """At the sizes of Qwen3-4B, for the sizes that a kernel is compiled for."""
    made = run(HERE / "compiled_step.py", TRITON_CACHE_DIR=str(tmp_path), TRITON_INTERPRET="0")
    assert len(made) == 4
    assert not any(made.values()), made
