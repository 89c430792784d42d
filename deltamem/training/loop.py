"""The training loop: AdamW, warm-up and cosine, accumulation, clipping; it can die at any moment.

Nothing random is left to chance: which episodes make step ``s`` follows from the seed and ``s``
alone, so a resumed run sees what an undisturbed one sees, on any number of processes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor

from deltamem.training.checkpoint import Checkpoints
from deltamem.training.episodes import Episodes
from deltamem.training.learner import Learner
from deltamem.training.monitor import Monitor
from deltamem.training.objective import Objective
from deltamem.training.processes import Processes
from deltamem.training.report import StepReport
from deltamem.training.resuming import Resuming
from deltamem_base.faults import Fault
from deltamem_base.ranges import check_fields

__all__ = ["TrainingConfig", "train"]

ALONE = Processes()
UNWATCHED = nullcontext()
NOTHING: Sequence[float] = (0.0,) * 5
"""The sums of no objective."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The published recipe's settings (paper, appendix); defaults are the paper's."""

    epochs: Annotated[int, Ge(1)] = 1
    steps: Annotated[int, Ge(1)] | None = None
    """Optimiser steps; None: as many as the epochs have."""
    batch_size: Annotated[int, Ge(1)] = 32
    """Episodes per optimiser step."""
    micro_batch_size: Annotated[int, Ge(1)] = 4
    """Episodes per forward, those of one history counted once by a learner that writes it once;
    changes memory and speed, not the result."""
    learning_rate: Annotated[float, Gt(0)] = 2e-4
    warmup: Annotated[float, Interval(ge=0, le=1)] = 0.1
    """Share of the steps over which the learning rate rises."""
    final_learning_rate: Annotated[float, Interval(ge=0, le=1)] = 0.0
    """Where the cosine ends, as a share of ``learning_rate``."""
    beta2: Annotated[float, Interval(ge=0, lt=1)] = 0.999
    weight_decay: Annotated[float, Ge(0)] = 0.0
    clip: Annotated[float, Gt(0)] = 1.0
    """Largest norm of the gradient."""
    gate_sparsity: Annotated[float, Ge(0)] = 0.01
    """Weight of the term that holds the write gates near ``gate_target``; 0 is off."""
    gate_target: Annotated[float, Interval(ge=0, le=1)] = 0.05
    write_length: Annotated[int, Ge(1)] = 8192
    read_length: Annotated[int, Ge(1)] = 512
    evaluate_every: Annotated[int, Ge(1)] = 50
    """Steps between evaluations on the held-out episodes."""
    checkpoint_every: Annotated[int, Ge(1)] = 50
    activation_checkpointing: bool = False
    """Make the backbone's activations again for the backward pass instead of keeping them."""
    shuffle: bool = True
    """False takes the episodes in their order, as a curriculum needs."""
    seed: Annotated[int, Ge(0)] = 42

    def __post_init__(self) -> None:
        check_fields(self, "training")


def train(
    learner: Learner[Any],
    episodes: Episodes[Any],
    config: TrainingConfig,
    *,
    checkpoints: Checkpoints,
    held_out: Sequence[Any] = (),
    processes: Processes = ALONE,
    monitor: Monitor | None = None,
    on_start: Callable[[int], None] = lambda step: None,
    on_step: Callable[[StepReport], None] = lambda report: None,
    on_note: Callable[[str], None] = lambda note: None,
) -> int:
    """Train until the last step, from the newest checkpoint on.

    Args:
        learner: what is trained; its weights are changed.
        episodes: training data.
        config: the recipe.
        checkpoints: where to resume from and save to.
        held_out: episodes to evaluate on, never trained on.
        processes: that share the work; the main one saves.
        monitor: looks at some of the steps, which does not change them.
        on_start: told after which step the run goes on, before it does.
        on_step: told after every step, before it is in a checkpoint.
        on_note: told what a user should know: where a run resumes, what was damaged.

    Returns:
        The number of steps of the whole run.

    Raises:
        CannotWrite: a checkpoint cannot be written; earlier ones are untouched.
        Fault: a loss, the gradient or the update is not finite; names the step.
    """
    parameters = list(learner.parameters())
    optimizer = torch.optim.AdamW(
        parameters,
        lr=config.learning_rate,
        betas=(0.9, config.beta2),
        weight_decay=config.weight_decay,
        fused=parameters[0].is_cuda,
    )
    per_epoch = math.ceil(len(episodes) / config.batch_size)
    steps = config.steps or config.epochs * per_epoch
    state = Resuming(
        learner=learner, optimizer=optimizer, parameters=parameters, checkpoints=checkpoints
    )
    done = state.load(on_note)
    if processes.main:
        checkpoints.tidy()
    on_start(done)
    attached = getattr(learner, "attached", nullcontext)  # a backbone that is trained has no memory
    between_steps = True
    try:
        while done < steps:
            chosen = _episodes_of_step(episodes, config, done)
            with attached():
                report = _gradients(
                    learner,
                    parameters,
                    chosen,
                    config,
                    processes,
                    monitor if monitor and monitor.due(done + 1, steps) else None,
                    step=done,
                    steps=steps,
                )
            between_steps = False
            _update(optimizer, report.learning_rate)
            done += 1
            last = done == steps
            if held_out and (last or done % config.evaluate_every == 0):
                report = _with_held_out(learner, held_out, config, processes, report)
            on_step(report)
            between_steps = True
            if processes.main and (last or done % config.checkpoint_every == 0):
                state.save(done)
    except KeyboardInterrupt:
        # weights that are half changed, or a step that was not told, are no place to go on from
        if processes.main and between_steps and done > checkpoints.step:
            state.save(done)
        raise
    return steps


def _episodes_of_step(episodes: Episodes[Any], config: TrainingConfig, step: int) -> list[Any]:
    """A batch of the epoch's permutation; batches do not reach across epochs."""
    epoch, number = divmod(step, math.ceil(len(episodes) / config.batch_size))
    if not config.shuffle:
        first = number * config.batch_size
        return [episodes[i] for i in range(first, min(first + config.batch_size, len(episodes)))]
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    order = torch.randperm(len(episodes), generator=generator)
    chosen = order[number * config.batch_size : (number + 1) * config.batch_size]
    return [episodes[i] for i in chosen.tolist()]


def learning_rate(config: TrainingConfig, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to the final learning rate."""
    rising = max(1, round(config.warmup * steps))
    if step < rising:
        return config.learning_rate * (step + 1) / rising
    progress = (step - rising) / max(1, steps - rising)
    low = config.final_learning_rate
    return config.learning_rate * (low + (1 - low) * (1 + math.cos(math.pi * progress)) / 2)


def _gradients(
    learner: Learner[Any],
    parameters: Sequence[Tensor],
    episodes: Sequence[Any],
    config: TrainingConfig,
    processes: Processes,
    monitor: Monitor | None,
    *,
    step: int,
    steps: int,
) -> StepReport:
    """Of one step, left in the parameters."""
    started = time.perf_counter()
    device = parameters[0].device
    batches = _batches(learner, episodes, config, processes)
    counted = [sum(w * b.targets for b, w in batches), sum(w * b.tokens for b, w in batches)]
    targets, tokens = processes.totals(counted, device=device)
    for parameter in parameters:
        parameter.grad = None
    sums = NOTHING
    for batch, weight in batches:
        with monitor.watching() if monitor and weight else UNWATCHED:
            objective = learner.loss(batch)
        sparsity = objective.sparsity / len(episodes)
        loss = objective.cross_entropy / targets + config.gate_sparsity * sparsity
        (weight * loss).backward()
        sums = _added(sums, objective, weight)
    processes.sum_gradients(parameters)
    entropy, gates, _, exact, asks = processes.totals(sums, device=device)
    mean_loss = entropy / targets
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, config.clip))
    if not (math.isfinite(mean_loss) and math.isfinite(norm)):
        raise Fault(
            f"step {step + 1}: the loss is {mean_loss} and the gradient norm {norm}; the batch "
            f"held the episodes {', '.join(e.id for e in episodes[:8])}. The last checkpoint is "
            "from before; try a smaller training.learning_rate"
        )
    measured = monitor.numbers(processes) if monitor else {}
    return StepReport(
        step=step + 1,
        steps=steps,
        loss=mean_loss,
        em=exact / asks,
        mean_gate_term=gates / len(episodes),
        grad_norm=norm,
        learning_rate=learning_rate(config, step, steps),
        tokens_per_second=tokens / (time.perf_counter() - started),
        measured=measured,
    )


def _update(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()


def _batches(
    learner: Learner[Any], episodes: Sequence[Any], config: TrainingConfig, processes: Processes
) -> list[tuple[Any, float]]:
    """This process's micro-batches of some episodes, with their weights."""
    size = config.micro_batch_size
    if hasattr(learner, "micro_batches"):  # one that gains by an order of its own
        parts = learner.micro_batches(episodes, size)
    else:
        parts = [episodes[i : i + size] for i in range(0, len(episodes), size)]
    return [(learner.batch(part), weight) for part, weight in processes.share(parts)]


@torch.no_grad()
def _with_held_out(
    learner: Learner[Any],
    held_out: Sequence[Any],
    config: TrainingConfig,
    processes: Processes,
    report: StepReport,
) -> StepReport:
    sums = NOTHING
    for batch, weight in _batches(learner, held_out, config, processes):
        sums = _added(sums, learner.loss(batch), weight)
    device = next(iter(learner.parameters())).device
    loss, _, targets, exact, asks = processes.totals(sums, device=device)
    if not math.isfinite(loss):
        raise Fault(
            f"step {report.step}: the loss on the held-out episodes is {loss}. The last checkpoint "
            "is from before; try a smaller training.learning_rate"
        )
    values = {**vars(report), "held_out_loss": loss / targets, "held_out_em": exact / asks}
    return StepReport(**values)


def _added(sums: Sequence[float], objective: Objective, weight: float) -> list[float]:
    return [total + weight * part for total, part in zip(sums, objective.sums, strict=True)]
