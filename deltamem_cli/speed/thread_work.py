"""Small operations of a transformer layer, in a process of their own: a turn for each line.

OpenMP reads its settings when torch is loaded, so that each of them needs a process.
"""

from __future__ import annotations

import sys
import time

__all__ = ["answer_lines"]

ROWS, WIDTH, INNER, HEADS = 64, 576, 1536, 9
LAYERS = 6


def answer_lines() -> None:
    """Answer each line with a line: wall and process seconds of the same work."""
    import torch

    random = torch.Generator().manual_seed(0)
    hidden = torch.randn(ROWS, WIDTH, generator=random)
    up, down = (torch.randn(*shape, generator=random) for shape in ((WIDTH, INNER), (INNER, WIDTH)))
    heads = torch.randn(8, HEADS, ROWS, 64, generator=random)

    def work() -> None:
        for _ in range(LAYERS):
            out = torch.nn.functional.silu(hidden @ up) @ down
            out * torch.rsqrt(out.square().mean(-1, keepdim=True) + 1e-6)
            torch.softmax(heads @ heads.transpose(-1, -2), -1) @ heads

    work()
    for _ in sys.stdin:
        wall, process = time.perf_counter(), time.process_time()
        work()
        sys.stdout.write(f"{time.perf_counter() - wall} {time.process_time() - process}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    answer_lines()
