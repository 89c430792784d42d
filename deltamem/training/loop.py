"""The training loop: AdamW, warm-up and cosine, accumulation, clipping; it can die at any moment.

Nothing random is left to chance: which episodes make step ``s`` follows from the seed and ``s``
alone, so a resumed run sees what an undisturbed one sees, on any number of processes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from deltamem.training.checkpoint import Checkpoints
from deltamem.training.episodes import Episodes
from deltamem.training.learner import Learner
from deltamem.training.monitor import Monitor
from deltamem.training.optimiser_step import Worker
from deltamem.training.processes import Processes
from deltamem.training.recipe import TrainingConfig, episodes_of_step
from deltamem.training.report import StepReport
from deltamem.training.resuming import Resuming

__all__ = ["train"]

ALONE = Processes()


def train(
    learner: Learner[Any, Any],
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
    optimizer = _optimizer(parameters, config)
    per_epoch = math.ceil(len(episodes) / config.batch_size)
    steps = config.steps or config.epochs * per_epoch
    worker = Worker(
        learner=learner, parameters=parameters, config=config, processes=processes, steps=steps
    )
    state = Resuming(
        learner=learner, optimizer=optimizer, parameters=parameters, checkpoints=checkpoints
    )
    done = state.load(on_note)
    if processes.main:
        checkpoints.tidy()
    on_start(done)
    between_steps = True
    try:
        while done < steps:
            chosen = episodes_of_step(episodes, config, done)
            watching = monitor if monitor and monitor.due(done + 1, steps) else None
            with learner.attached():
                report = worker.gradients(chosen, step=done, monitor=watching)
            between_steps = False
            _update(optimizer, report.learning_rate)
            done += 1
            if held_out and (done == steps or done % config.evaluate_every == 0):
                report = worker.with_held_out(report, held_out)
            on_step(report)
            between_steps = True
            if processes.main and (done == steps or done % config.checkpoint_every == 0):
                state.save(done)
    except KeyboardInterrupt:
        # weights that are half changed, or a step that was not told, are no place to go on from
        if processes.main and between_steps and done > checkpoints.step:
            state.save(done)
        raise
    return steps


def _optimizer(parameters: Sequence[nn.Parameter], config: TrainingConfig) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        parameters,
        lr=config.learning_rate,
        betas=(0.9, config.beta2),
        weight_decay=config.weight_decay,
        fused=parameters[0].is_cuda,
    )


def _update(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
