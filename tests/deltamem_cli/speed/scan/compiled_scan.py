"""Run by test_cuda.py: what stack the sequential kernels need on an H100, without a GPU."""

from __future__ import annotations

import json
import sys

from triton_processes import stack_bytes

from deltamem_cli.speed.scan import sequential as kernels


def main() -> None:
    types = {"tokens": ("*bf16",) * 6, "d_tokens": ("*fp32",) * 6}
    found = {
        "forward": stack_bytes(kernels.forward_kernel, tokens=types, states=1),
        "backward": stack_bytes(kernels.backward_kernel, tokens=types, states=1),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
