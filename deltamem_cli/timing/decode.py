"""Tokens per second with a memory attached over those of the bare model, both by ``generate``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from deltamem_cli.timing.alternate import Figure, LeftOut, alternate, figure
from deltamem_cli.timing.decode_cuda import cuda_figures
from deltamem_cli.timing.models import random_backbone

__all__ = ["cpu_figures", "figures"]

PROMPT = 64


def figures(tick: Callable[[int, int], None]) -> Iterator[Figure | LeftOut]:
    """That of the GPU (decode_cuda.py), and then those of the CPU."""
    yield from cuda_figures(tick)
    yield from cpu_figures(tick)


def cpu_figures(
    tick: Callable[[int, int], None], *, tokens: int = 32, rounds: tuple[int, int] = (15, 7)
) -> Iterator[Figure]:
    """decode.relative_throughput on the embedded and on a random 12-layer, 768-wide backbone.

    Args:
        tick: progress of what is being timed.
        tokens: decoded in one turn.
        rounds: turns of either; those of the embedded backbone are quick and differ the most.
    """
    import torch

    from deltamem import load_tiny

    models = {
        "the embedded backbone": load_tiny().model,
        "a random Qwen3, 12 layers of 768": random_backbone(layers=12, width=768).model,
    }
    for (name, model), turns in zip(models.items(), rounds, strict=True):
        size = f"{name}, {tokens} tokens after {PROMPT}, threads={torch.get_num_threads()}"
        for writes in (True, False):
            works: list[Callable[[], object]] = [
                partial(_decode, model, tokens),
                _with_memory(model, tokens, writes=writes),
            ]
            times = alternate(works, rounds=turns, tick=tick)
            kind = "tsw, writing" if writes else "tsw, writes off"
            ratios = [bare / with_memory for bare, with_memory in times]
            yield figure("decode.relative_throughput", ratios, f"{kind}, {size}")


def _with_memory(model: Any, tokens: int, *, writes: bool) -> Callable[[], object]:
    from deltamem import DeltaMemConfig, DeltaMemory

    memory = DeltaMemory(DeltaMemConfig(), model).initialise(model, seed=0).eval()

    def work() -> None:
        with memory.attach(model, write=writes):
            _decode(model, tokens)

    return work


def _decode(model: Any, tokens: int) -> None:
    import torch

    ids = torch.arange(PROMPT)[None] % 90 + 5
    with torch.no_grad():
        model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=tokens,
            min_new_tokens=tokens,
            do_sample=False,
            pad_token_id=0,
        )
