"""Run by test_fused.py in a process where Triton emulates a GPU: the worst error of every case."""

from __future__ import annotations

import json
import sys

import torch
from scan_inputs import NAMES, inputs, with_gradients

from deltamem.delta_rule import delta_rule_fused, delta_rule_naive

CHUNK = 4
CASES = {
    "one token": (1, 1, 1, 4, CHUNK),
    "a chunk less one": (1, CHUNK - 1, 1, 4, CHUNK),
    "a chunk": (1, CHUNK, 1, 4, CHUNK),
    "a chunk and one": (1, CHUNK + 1, 1, 4, CHUNK),
    "rank that is no power of two": (1, 6, 1, 3, CHUNK),
    "the paper's rank": (1, 10, 1, 8, 5),
    "a hundred": (1, 100, 1, 2, 16),
}
"""B, T, N, R and C."""


def worst(shape: tuple[int, ...], *, masked: bool) -> float:
    """Largest difference from the recurrence: reads, state and all gradients."""
    *sizes, chunk = shape
    tensors = inputs(*sizes, seed=sizes[1])
    mask = None
    if masked:
        mask = torch.rand(sizes[:2], generator=torch.Generator().manual_seed(1)) > 0.3
        for name in NAMES[:-1]:
            tensors[name][~mask] = torch.nan
    wanted = with_gradients(delta_rule_naive, tensors, mask)
    got = with_gradients(delta_rule_fused, tensors, mask, chunk=chunk)
    pairs = [(got[0], wanted[0]), (got[1], wanted[1])]
    pairs += [(got[2][name], wanted[2][name]) for name in NAMES]
    return max(float((a - b).abs().max()) for a, b in pairs)


def without_queries() -> float:
    tensors = inputs(1, 9, 1, 4)
    rest = list(tensors.values())[1:]
    reads, state = delta_rule_fused(None, *rest, chunk=CHUNK)
    assert reads is None
    return float((state - delta_rule_naive(None, *rest)[1]).abs().max())


def forgotten() -> float:
    """Gates that are exactly 0 or 1: everything is replaced by every token."""
    tensors = inputs(1, 9, 1, 4)
    tensors["keep"] = torch.zeros_like(tensors["keep"])
    tensors["erase"] = tensors["write"] = torch.ones_like(tensors["write"])
    reads, _ = delta_rule_fused(*tensors.values(), chunk=CHUNK)
    return float((reads - delta_rule_naive(*tensors.values())[0]).abs().max())


def main() -> None:
    found = {name: worst(shape, masked=False) for name, shape in CASES.items()}
    found["masked"] = worst((2, CHUNK + 1, 2, 4, CHUNK), masked=True)
    found |= {"without queries": without_queries(), "keep = 0": forgotten()}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
