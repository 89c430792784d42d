"""One long history and many questions about it, as LoCoMo has them.

Written once and asked many times, against read anew for every question; side by side, against one
by one. The greedy answers have to be the same in all of them, or there is no figure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltamem_cli.speed.alternate import Figure, alternate, figure
from deltamem_cli.speed.locomo import locomo_figures
from deltamem_cli.speed.models import random_backbone
from deltamem_evaluations.benchmarks.throughput import Throughput
from deltamem_evaluations.sample import Decoding, Prompt

__all__ = ["figures"]

LAYERS, WIDTH, BATCH, NEW = 4, 256, 16, 4


def figures(
    tick: Callable[[int, int], None],
    *,
    tokens: int = 4096,
    questions: int = 100,
    sampled: int = 4,
    rounds: int = 3,
    data: Path | None = None,
) -> Iterator[Figure]:
    """eval.ask_many and eval.batched; with real data eval.locomo (locomo.py) and nothing else.

    Args:
        tick: progress of what is being timed.
        tokens: of the history, about.
        questions: about it.
        sampled: of them, for which the history is read anew; their time stands for all.
        rounds: turns.
        data: ``locomo10.json``.

    Raises:
        AssertionError: two ways of asking gave different answers.
    """
    import torch

    if data is not None:
        yield from locomo_figures(tick, data=data)
        return
    asking = _Asking(tokens=tokens, questions=questions)
    once, anew = asking.once(BATCH), asking.anew(range(sampled))
    single = asking.once(1)
    assert once[:sampled] == anew, "an answer depends on when the history was written"
    assert once == single, "an answer depends on what is asked beside it"
    size = (
        f"{questions} questions about {asking.written:,} tokens, {LAYERS} layers of {WIDTH}, "
        f"threads={torch.get_num_threads()}"
    )
    works: list[Callable[[], object]] = [
        lambda: asking.once(BATCH),
        lambda: asking.anew(range(sampled)),
    ]
    times = alternate(works, rounds=rounds, tick=tick)
    ratios = [again * questions / sampled / together for together, again in times]
    setting = f"read for each question over written once, {sampled} stand for all, {size}"
    yield figure("eval.ask_many", ratios, setting)
    yield _batched(asking, size, rounds=rounds, tick=tick)


def _batched(
    asking: _Asking, size: str, *, rounds: int, tick: Callable[[int, int], None]
) -> Figure:
    """eval.batched, from a state that is written once."""
    asking.write()
    works: list[Callable[[], object]] = [lambda: asking.ask(BATCH), lambda: asking.ask(1)]
    times = alternate(works, rounds=rounds, tick=tick)
    ratios = [alone / together for together, alone in times]
    return figure("eval.batched", ratios, f"one by one over {BATCH} side by side, {size}")


@dataclass
class _Asking:
    """A δ-mem method on a random backbone, answering from its state alone."""

    tokens: int
    questions: int
    written: int = 0

    def __post_init__(self) -> None:
        from deltamem import DeltaMemConfig, DeltaMemory
        from deltamem.method.delta_mem_method import DeltaMemMethod

        backbone = random_backbone(layers=LAYERS, width=WIDTH)
        memory = DeltaMemory(DeltaMemConfig(), backbone.model).initialise(backbone.model, seed=0)
        self.method: Any = DeltaMemMethod(backbone, memory.eval(), context="none", window=1024)
        self.history = Throughput(tokens=self.tokens).history("0")
        self.prompts = [
            Prompt(question=f"What was the {number}. thing that happened?", history=0, seed=number)
            for number in range(self.questions)
        ]

    def write(self) -> None:
        """Read the history into the state."""
        self.method.reset(1)
        (report,) = self.method.write([self.history])
        self.written = report.written_tokens

    def ask(self, batch: int) -> list[str]:
        """All questions, ``batch`` side by side."""
        parts = [self.prompts[i : i + batch] for i in range(0, len(self.prompts), batch)]
        return [text for part in parts for text in self._answers(part)]

    def once(self, batch: int) -> list[str]:
        """Write once, ask all."""
        self.write()
        return self.ask(batch)

    def anew(self, numbers: Sequence[int]) -> list[str]:
        """Write for each of some questions."""
        texts = []
        for number in numbers:
            self.write()
            texts += self._answers([self.prompts[number]])
        return texts

    def _answers(self, prompts: Sequence[Prompt]) -> list[str]:
        answers = self.method.answer(prompts, Decoding(max_new_tokens=NEW))
        return [answer.text for answer in answers]
