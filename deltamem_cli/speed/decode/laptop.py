"""Single tokens of the model of deltamem_cli/speed/laptop.py, with a memory and without."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from deltamem_cli.speed.alternate import Figure, alternate, figure
from deltamem_cli.speed.decode.tokens import alone, with_memory
from deltamem_cli.speed.laptop import HISTORIES, Tick, history_ids, size, writers
from deltamem_cli.speed.models import SMOLLM2_135M, random_model

__all__ = ["decode_figures"]


def decode_figures(
    tick: Tick,
    *,
    architecture: Mapping[str, object] = SMOLLM2_135M,
    histories: tuple[int, ...] = HISTORIES,
    tokens: int = 16,
    rounds: int = 3,
) -> Iterator[Figure]:
    """decode.token_vs_bare: single tokens of 8 sequences with a memory over those without."""
    from deltamem import DeltaMemConfig, DeltaMemory

    model = random_model(architecture, kind="llama")
    for history in histories:
        ids = history_ids(history)
        works = [alone(model, ids, tokens=tokens).decode]
        for writer in writers().values():
            memory = DeltaMemory(DeltaMemConfig(writer=writer), model).initialise(model, seed=0)
            side = with_memory(memory.eval(), model, ids, tokens=tokens, writes=False)
            works.append(side.decode)
        times = alternate(works, rounds=rounds, tick=tick, clock=time.process_time)
        for number, name in enumerate(writers(), 1):
            ratios = [turn[number] / turn[0] for turn in times]
            setting = f"{name}, writes off, over the bare model, {size(model, history)}"
            yield figure("decode.token_vs_bare", ratios, f"{setting}, process time")
