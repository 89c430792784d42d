"""Tokens per second with a memory attached over those of the bare model, both by ``generate``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from deltamem_cli.speed.alternate import Figure, LeftOut, figure
from deltamem_cli.speed.decode.cuda import cuda_figures
from deltamem_cli.speed.decode.laptop import decode_figures
from deltamem_cli.speed.decode.tokens import KINDS, alone, relative_throughput, with_memory
from deltamem_cli.speed.models import random_backbone

__all__ = ["cpu_figures", "figures"]

PROMPT = 64


def figures(tick: Callable[[int, int], None]) -> Iterator[Figure | LeftOut]:
    """Figures of the GPU (cuda.py), those of the CPU, and those of a laptop's model."""
    yield from cuda_figures(tick)
    yield from cpu_figures(tick)
    yield from decode_figures(tick)


def cpu_figures(
    tick: Callable[[int, int], None], *, tokens: int = 32, rounds: tuple[int, int] = (15, 7)
) -> Iterator[Figure]:
    """decode.relative_throughput on the embedded and on a random 12-layer, 768-wide backbone.

    Timed are single tokens, as on a GPU; decode.with_prompt is the same with the reading of the
    prompt before them, which a short answer shares among few tokens.

    Args:
        tick: progress of what is being timed.
        tokens: decoded in one turn.
        rounds: turns of either; those of the embedded backbone are quick and differ the most.
    """
    import torch

    from deltamem import DeltaMemConfig, DeltaMemory, load_tiny

    ids = torch.arange(PROMPT)[None] % 90 + 5
    models = {
        "the embedded backbone": load_tiny().model,
        "a random Qwen3, 12 layers of 768": random_backbone(layers=12, width=768).model,
    }
    for (name, model), turns in zip(models.items(), rounds, strict=True):
        memory = DeltaMemory(DeltaMemConfig(), model).initialise(model, seed=0).eval()
        size = f"{name}, {tokens} tokens after {PROMPT}, threads={torch.get_num_threads()}"
        bare = alone(model, ids, tokens=tokens)
        for writes, kind in KINDS.items():
            setting = f"{kind}, {size}"
            attached = with_memory(memory, model, ids, tokens=tokens, writes=writes)
            ratios = relative_throughput(bare.decode, attached.decode, rounds=turns, tick=tick)
            yield figure("decode.relative_throughput", ratios, setting)
            ratios = relative_throughput(bare.generate, attached.generate, rounds=turns, tick=tick)
            yield figure("decode.with_prompt", ratios, setting)
