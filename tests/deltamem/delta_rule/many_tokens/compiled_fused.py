"""Run by test_fused.py: what stack every kernel needs on an H100, without a GPU."""

from __future__ import annotations

import json
import sys
from typing import Any

from triton_processes import stack_bytes

from deltamem.delta_rule.choice import WIDEST
from deltamem.delta_rule.many_tokens import scan_kernels as kernels
from deltamem.delta_rule.many_tokens.fused import map_warps

TOKENS = {"tokens": "*bf16", "d_tokens": "*bf16"}


def stack(kernel: Any, **fixed: Any) -> int:
    return stack_bytes(kernel, tokens=TOKENS, **fixed)


def main() -> None:
    # a size of 1 is a constant to Triton, as the number of sub-states mostly is
    found = {
        "maps": stack(kernels.maps_kernel, states=1, warps=map_warps(8)),
        "widest maps": stack(kernels.maps_kernel, width=WIDEST, warps=map_warps(WIDEST)),
        "walk": stack(kernels.carry_kernel, backwards=False),
        "walk back": stack(kernels.carry_kernel, backwards=True, chunks=1),
        "reads": stack(kernels.scan_kernel, keep_states=False, states=1, time=1),
        "states": stack(kernels.scan_kernel, keep_states=True),
        "gradient of a chunk": stack(kernels.gradient_of_chunk_kernel),
        "gradient": stack(kernels.gradient_kernel, states=1),
        "widest gradient": stack(kernels.gradient_kernel, width=WIDEST),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
