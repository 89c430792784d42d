"""Run by test_writing.py: the peak memory of a process after a short and after a long history."""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
from pathlib import Path

import torch
from random_models import random_model

from deltamem import DeltaMemConfig, DeltaMemory, load_tiny
from deltamem.backbone import Rendered
from deltamem.memory.writing import write_windows

SHORT, LONG, WINDOW = 25_000, 200_000, 512


def peak() -> int:
    """Bytes. A child's ``ru_maxrss`` on Linux starts from its parent's, so it comes second."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(s for s in status.read_text().splitlines() if s.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def history(tokens: int) -> Rendered:
    ids = [3 + i % 90 for i in range(tokens)]
    return Rendered(text="", ids=ids, message_ids=ids, sentence_ids=ids)


def main() -> None:
    torch.set_num_threads(1)
    model = random_model("qwen3", num_hidden_layers=1, hidden_size=16, intermediate_size=16)
    backbone = dataclasses.replace(load_tiny(), model=model)
    memory = DeltaMemory(DeltaMemConfig(), model).initialise(model, seed=0)
    histories = {tokens: history(tokens) for tokens in (WINDOW, SHORT, LONG)}
    peaks = {}
    with memory.attach(model) as attached:
        for tokens, one in histories.items():
            state = memory.zeros(1)
            state = write_windows(attached, backbone, [one], state=state, window=WINDOW)
            assert all(bool(s.isfinite().all() and s.any()) for s in state.layers.values())
            peaks[tokens] = peak()
    # that a state for every token would be seen
    kept = torch.ones(LONG, 8, 8)
    peaks["kept"] = peak()
    sys.stdout.write(json.dumps([*peaks.values(), kept.nbytes]))


if __name__ == "__main__":
    main()
