"""Run by test_fused.py: what stack the step's kernel needs on an H100, without a GPU."""

from __future__ import annotations

import json
import sys
from typing import Any

from triton_processes import stack_bytes

from deltamem import DeltaMemConfig
from deltamem.delta_rule.choice import WIDEST
from deltamem.delta_rule.single_token.fused import MOST_READS, WARPS, Made, Plan, Token, Weights
from deltamem.delta_rule.single_token.layer_kernel import step_kernel
from deltamem.layers.memory_layer import LayerMemory
from deltamem.writers import MultiStateWriter

NONE = "constexpr"
OUTPUTS = (4096, 2560)
"""Of Qwen3-4B's queries and output."""


def stack(*, states: int = 1, write: bool = True, valid: str = NONE, **settings: Any) -> int:
    config = DeltaMemConfig(writer=MultiStateWriter(num_states=states), **settings)
    layer = LayerMemory(config, 1, outputs=dict.fromkeys(config.heads, 1))
    written, lam = "*fp32" if write else NONE, "*fp32" if config.own_retention else NONE
    types = {
        "layer": Weights(*["*fp32"] * 5, lam, lam, ("*fp32", "*fp32"), "i32"),
        "token": Token("*bf16", valid, "*fp32"),
        "made": Made(("*bf16", "*bf16"), written),
    }
    return stack_bytes(step_kernel, tokens=types, plan=Plan.of(layer.shape, OUTPUTS), warps=WARPS)


def main() -> None:
    found = {
        "one state": stack(),
        "four states, own retention, masked": stack(states=4, own_retention=True, valid="*u1"),
        "widest": stack(states=MOST_READS // WIDEST, rank=WIDEST),
        "no powers of two, writes off": stack(states=3, rank=5, write=False),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
