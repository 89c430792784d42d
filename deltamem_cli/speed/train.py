"""One optimiser step with thousands of written tokens, and the share of its time that scans take.

The reference is a memory that does everything but remember: the same projections, gates and
steering, with reads and states that need no recurrence. So what is over 1 is the scan.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from deltamem.delta_rule import VARIABLE
from deltamem.writers import TokenWriter
from deltamem.writers.writer import WriteResult
from deltamem_cli.speed.alternate import Figure, alternate, figure
from deltamem_cli.speed.laptop import loss, step_figures
from deltamem_cli.speed.models import SMOLLM2_135M, random_backbone

if TYPE_CHECKING:
    from deltamem.backbone import Backbone

__all__ = ["figures"]

Work = Callable[[], object]
LAYERS, WIDTH = 4, 256
READ = 64


@dataclass(frozen=True, kw_only=True)
class NoOpWriter(TokenWriter):
    """Writes nothing, with the work and the gradients of everything around the recurrence."""

    name: ClassVar[str] = "no_op"

    def write(self, project: Any, q: Any, hidden: Any, state: Any, **_: Any) -> WriteResult:
        """Reads are the queries; the state is the mean of what would have been written."""
        w = project(hidden)
        written = (w.write * w.v + w.keep + w.erase + w.k).mean(1)[..., None]
        return WriteResult(reads=q, state=state + written, gate=w.write)


def figures(
    tick: Callable[[int, int], None],
    *,
    tokens: int = 8192,
    rounds: int = 3,
    laptop: Mapping[str, object] = SMOLLM2_135M,
) -> Iterator[Figure]:
    """train.step_vs_noop with each form, train.step_vs_naive, the most that it could be,
    train.measured, and train.step_vs_bare (laptop.py).

    Args:
        tick: progress of what is being timed.
        tokens: written in the step.
        rounds: turns.
        laptop: architecture of the model of laptop.py.
    """
    import torch

    from deltamem.delta_rule.compiling import compiler

    backbone = random_backbone(layers=LAYERS, width=WIDTH)
    real, none = (_step(backbone, writer, tokens) for writer in (TokenWriter(), NoOpWriter()))
    forms = ["torch", *(["cpp"] if compiler() else [])]
    size = f"{tokens} written tokens, {LAYERS} layers of {WIDTH}, threads={torch.get_num_threads()}"
    works: list[Work] = [none, *(partial(_by, form, real) for form in forms)]
    times = alternate(works, rounds=rounds, tick=tick)
    for number, form in enumerate(forms, 1):
        ratios = [turn[number] / turn[0] for turn in times]
        yield figure("train.step_vs_noop", ratios, f"{form} over a memory without a scan, {size}")
    works = [none, partial(_by, "naive", real), partial(_by, "torch", real)]
    times = alternate(works, rounds=rounds, tick=tick)
    ratios = [naive / fast for _, naive, fast in times]
    yield figure("train.step_vs_naive", ratios, f"naive over torch, {size}")
    ratios = [naive / free for free, naive, _ in times]
    setting = f"naive over a memory without a scan, which no form exceeds, {size}"
    yield figure("train.naive_vs_noop", ratios, setting)
    times = alternate([real, _step(backbone, TokenWriter(), tokens, watched=True)], rounds=rounds)
    ratios = [watched / bare for bare, watched in times]
    yield figure("train.measured", ratios, f"with the memory measured over without, {size}")
    yield from step_figures(tick, architecture=laptop, rounds=rounds)


def _by(form: str, work: Callable[[], object]) -> None:
    with _forced(form):
        work()


@contextmanager
def _forced(form: str) -> Iterator[None]:
    """A form of the scan by its environment variable, and the variable as it was afterwards."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = form
    try:
        yield
    finally:
        del os.environ[VARIABLE]
        os.environ |= {} if before is None else {VARIABLE: before}


def _step(
    backbone: Backbone, writer: TokenWriter, tokens: int, *, watched: bool = False
) -> Callable[[], object]:
    """Write, read, loss, gradients, AdamW; ``watched`` by what trackers are told of the memory."""
    import torch

    from deltamem import DeltaMemConfig, DeltaMemory
    from deltamem.training import MemoryMonitor, Processes

    model = backbone.model
    memory = DeltaMemory(DeltaMemConfig(writer=writer), model).initialise(model, seed=0)
    optimizer = torch.optim.AdamW(memory.parameters(), lr=1e-4)
    monitor = MemoryMonitor(memory, model, every=1)
    written, asked = (torch.arange(n)[None] % 90 + 5 for n in (tokens, READ))

    def work() -> None:
        optimizer.zero_grad(set_to_none=True)
        watching = monitor.watching() if watched else nullcontext()
        with watching, memory.attach(model) as attached:
            _, state = attached.forward(written, logits=False, use_cache=False)
            output, _ = attached.forward(asked, state=state, write=False, use_cache=False)
        loss(output.logits, asked).backward()
        optimizer.step()
        if watched:
            monitor.numbers(Processes())

    return work
