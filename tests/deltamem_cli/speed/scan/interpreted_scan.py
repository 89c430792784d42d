"""Run by test_cuda.py where Triton emulates a GPU: the sequential kernels and all figures."""

from __future__ import annotations

import json
import sys

import torch
from scan_inputs import NAMES, inputs, with_gradients

from deltamem.delta_rule import delta_rule_naive
from deltamem_cli.speed.scan.cuda import device_figures
from deltamem_cli.speed.scan.sequential import delta_rule_sequential

SHAPES = {"one token": (1, 1, 1, 4), "several states": (2, 7, 2, 3), "the paper's": (1, 9, 1, 8)}
"""B, T, N, R."""


def worst(shape: tuple[int, ...], *, masked: bool) -> float:
    """Largest difference from the recurrence: reads, state and all gradients."""
    tensors = inputs(*shape)
    mask = None
    if masked:
        mask = torch.rand(shape[:2], generator=torch.Generator().manual_seed(1)) > 0.3
        for name in NAMES[:-1]:
            tensors[name][~mask] = torch.nan
    wanted = with_gradients(delta_rule_naive, tensors, mask)
    got = with_gradients(delta_rule_sequential, tensors, mask)
    pairs = [(got[0], wanted[0]), (got[1], wanted[1])]
    pairs += [(got[2][name], wanted[2][name]) for name in NAMES]
    return max(float((a - b).abs().max()) for a, b in pairs)


def main() -> None:
    errors = {name: worst(shape, masked=False) for name, shape in SHAPES.items()}
    errors["masked"] = worst(SHAPES["several states"], masked=True)
    sizes = {"batches": (1, 2), "times": (3,), "copied": 1 << 12, "rounds": 1}
    figures = list(device_figures(lambda done, total: None, device="cpu", **sizes))
    sys.stdout.write(json.dumps({"errors": errors, "figures": [vars(f) for f in figures]}))


if __name__ == "__main__":
    main()
