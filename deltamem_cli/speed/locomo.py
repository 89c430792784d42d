"""LoCoMo's first conversation, written once and asked about, against read again for each question.

With SmolLM2-135M and a memory of random weights, which costs what a trained one does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.speed.alternate import Figure, figure
from deltamem_cli.speed.models import named_backbone

if TYPE_CHECKING:
    from deltamem.backbone import Backbone

__all__ = ["locomo_figures"]

MODEL, WINDOW = "smollm2-135m", 1024


def locomo_figures(
    tick: Callable[[int, int], None],
    *,
    data: Path,
    backbone: Backbone | None = None,
    asked: int = 16,
    new_tokens: int = 50,
    side_by_side: int = 16,
) -> Iterator[Figure]:
    """eval.locomo: reading the conversation for each question over writing it once.

    Args:
        tick: progress of what is being timed.
        data: ``locomo10.json``.
        backbone: answers; None is SmolLM2-135M.
        asked: questions whose time stands for all, but for one that stands for reading again.
        new_tokens: of an answer, at most.
        side_by_side: answers that are decoded at once, at most.
    """
    from deltamem import DeltaMemConfig, DeltaMemory
    from deltamem.method.delta_mem_method import DeltaMemMethod
    from deltamem_evaluations.benchmarks.locomo import Locomo
    from deltamem_evaluations.sample import Decoding, prompt_of

    benchmark = Locomo(path=str(data))
    benchmark.load()
    every = benchmark.samples()
    own = [sample for sample in every if sample.history_id == every[0].history_id]
    history = benchmark.history(own[0].history_id)
    backbone = named_backbone(MODEL) if backbone is None else backbone
    memory = DeltaMemory(DeltaMemConfig(), backbone.model).initialise(backbone.model, seed=0)
    method = DeltaMemMethod(backbone, memory.eval(), context="none", window=WINDOW)
    prompts = [prompt_of(sample, history=0, run_seed=0) for sample in own[:asked]]
    decoding = Decoding(max_new_tokens=new_tokens)
    began = time.process_time()
    method.reset(1)
    (report,) = method.write([history])
    written = time.process_time() - began
    tick(1, 2)
    answers = method.answer(prompts, decoding, side_by_side=side_by_side)
    answering = (time.process_time() - began - written) / len(prompts)
    began = time.process_time()
    (again,) = method.answer(prompts[:1], decoding)
    alone = time.process_time() - began
    tick(2, 2)
    assert again.text == answers[0].text, "an answer depends on what is asked beside it"
    ratio = len(own) * (written + alone) / (written + len(own) * answering)
    setting = (
        f"read for each of {len(own)} questions over written once, {report.written_tokens:,} "
        f"tokens, {len(prompts)} questions of at most {new_tokens} tokens stand for all, "
        f"{backbone.name}, process time"
    )
    yield figure("eval.locomo", [ratio], setting)
