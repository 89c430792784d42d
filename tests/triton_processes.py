"""Triton without a GPU: scripts in processes of their own, and kernels compiled for an H100."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from child_environment import child_environment

from deltamem.delta_rule.many_tokens.fused import has_triton

SIZES = ("span", "time", "states", "rank", "length", "chunks")
"""Names of the kernels' numbers; whatever else they are given points to tensors."""

needs_triton = pytest.mark.skipif(
    not has_triton(), reason="triton is not installed (extra: triton)"
)


def run(script: Path, **variables: str) -> dict[str, Any]:
    """The JSON document that a script prints."""
    done = subprocess.run(
        [sys.executable, str(script)],
        env=child_environment(**variables),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stack_bytes(kernel: Any, *, tokens: Mapping[str, Any], warps: int = 1, **fixed: Any) -> int:
    """Bytes of stack that a kernel needs on an H100; more than none is registers that spill.

    ``tokens`` says of which types those arguments are that are not ``*fp32``; what is ``constexpr``
    in a tuple of types is None.
    """
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    fixed = {**({"width": 8} if "width" in kernel.arg_names else {}), **fixed}
    kinds = {
        name: "constexpr"
        if name in fixed
        else "i32"
        if name in SIZES
        else tokens.get(name, "*fp32")
        for name in kernel.arg_names
    }
    constants = {(kernel.arg_names.index(name),): value for name, value in fixed.items()}
    constants |= {
        (kernel.arg_names.index(name), place): None
        for name, kind in tokens.items()
        if isinstance(kind, tuple)
        for place, one in enumerate(kind)
        if one == "constexpr"
    }
    source = ASTSource(fn=kernel, signature=kinds, constexprs=constants)
    options = {"enable_fp_fusion": True, "num_warps": warps}
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(made.asm["cubin"])
        file.flush()
        command = [triton.knobs.nvidia.cuobjdump.path, "--dump-resource-usage", file.name]
        usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (found,) = re.findall(r"STACK:(\d+)", usage)
    return int(found)
