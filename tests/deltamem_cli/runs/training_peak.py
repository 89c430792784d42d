"""A script: bytes that one step of training adds to the weights at its peak, by the kernel's count.

Takes a model's configuration, and as JSON the dtype, the rows, the tokens written and read, and
whether activations are made again. A fixed ``MALLOC_MMAP_THRESHOLD_`` has to be set,
or what the allocator keeps for itself is counted too.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from deltamem import DeltaMemConfig, DeltaMemory, load_tiny
from deltamem.backbone import checkpoint_activations
from deltamem.training import DeltaMemLearner
from deltamem.training.collate import EncodedEpisode

STATUS = Path("/proc/self/status")


def episode(number: int, written: int, read: int) -> EncodedEpisode:
    asks = [([1] * (read // 2), [2] * (read - read // 2))]
    ids = [3 + (number + i) % 90 for i in range(written)]
    return EncodedEpisode(id=str(number), write_ids=ids, segments=None, asks=asks)


def step(learner: DeltaMemLearner, rows: int, written: int, read: int) -> None:
    batch = learner.batch([episode(i, written, read) for i in range(rows)])
    with learner.attached():
        objective = learner.loss(batch)
        (objective.cross_entropy + objective.sparsity).backward()


def kilobytes(name: str) -> int:
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def main(folder: str, asked: dict[str, Any]) -> None:
    dtype = getattr(torch, asked["dtype"])
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder), dtype=dtype)
    model = model.eval().requires_grad_(False)
    if asked["again"]:
        checkpoint_activations(model)
    memory = DeltaMemory(DeltaMemConfig(), model).initialise(model, seed=0)
    backbone = replace(load_tiny(), model=model)
    learner = DeltaMemLearner(
        backbone, memory, write_length=10**6, read_length=10**6, gate_target=0.05
    )
    step(learner, 1, 8, 8)
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmHWM")
    step(learner, asked["rows"], asked["written"], asked["read"])
    sys.stdout.write(f"{1024 * (kilobytes('VmHWM') - before)}\n")


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
