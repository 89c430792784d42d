"""Run by test_fused.py: every kernel to a cubin for an H100, without a GPU."""

from __future__ import annotations

import json
import sys
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from deltamem.delta_rule import fused_kernels as kernels

TARGET = GPUTarget("cuda", 90, 32)
SIZES = ("span", "time", "states", "rank", "length", "chunks")
BFLOAT16 = ("tokens", "d_tokens")


def compiles(kernel: Any, **fixed: int) -> bool:
    """bfloat16 tokens, float32 states."""
    fixed = {"width": 8, **fixed}
    kinds = {
        name: "constexpr"
        if name in fixed
        else "i32"
        if name in SIZES
        else "*bf16"
        if name in BFLOAT16
        else "*fp32"
        for name in kernel.arg_names
    }
    constants = {(kernel.arg_names.index(name),): value for name, value in fixed.items()}
    source = ASTSource(fn=kernel, signature=kinds, constexprs=constants)
    made = triton.compile(source, target=TARGET, options={"enable_fp_fusion": True})
    return len(made.asm["cubin"]) > 0


def main() -> None:
    # a size of 1 is a constant to Triton, as the number of sub-states mostly is
    found = {
        "maps": compiles(kernels.maps_kernel, states=1),
        "walk": compiles(kernels.walk_kernel, backwards=False),
        "walk back": compiles(kernels.walk_kernel, backwards=True, chunks=1),
        "reads": compiles(kernels.scan_kernel, keep_states=False, states=1, time=1),
        "states": compiles(kernels.scan_kernel, keep_states=True),
        "gradient of a chunk": compiles(kernels.gradient_of_chunk_kernel),
        "gradient": compiles(kernels.gradient_kernel, states=1),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
