"""The recipe of a training, and what it decides of each step: its episodes and learning rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Interval

from deltamem.training.episodes import Episodes
from deltamem_base.ranges import check_fields

__all__ = ["TrainingConfig", "episodes_of_step", "learning_rate"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The published recipe's settings (paper, appendix); defaults are the paper's."""

    epochs: Annotated[int, Ge(1)] = 1
    steps: Annotated[int, Ge(1)] | None = None
    """Optimiser steps; None: as many as the epochs have."""
    batch_size: Annotated[int, Ge(1)] = 32
    """Episodes per optimiser step."""
    micro_batch_size: Annotated[int, Ge(1)] = 4
    """Episodes per forward pass; a learner that writes a history once counts its episodes once;
    changes memory and speed, not the result."""
    learning_rate: Annotated[float, Gt(0)] = 2e-4
    warmup: Annotated[float, Interval(ge=0, le=1)] = 0.1
    """Share of the steps over which the learning rate rises."""
    final_learning_rate: Annotated[float, Interval(ge=0, le=1)] = 0.0
    """End of the cosine, as a share of ``learning_rate``."""
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


def episodes_of_step(episodes: Episodes[Any], config: TrainingConfig, step: int) -> list[Any]:
    """The episodes of a step, from 0: a batch of the epoch's permutation.

    Batches do not reach across epochs.
    """
    epoch, number = divmod(step, math.ceil(len(episodes) / config.batch_size))
    if not config.shuffle:
        first = number * config.batch_size
        return [episodes[i] for i in range(first, min(first + config.batch_size, len(episodes)))]
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + epoch)
    order = torch.randperm(len(episodes), generator=generator)
    chosen = order[number * config.batch_size : (number + 1) * config.batch_size]
    return [episodes[i] for i in chosen.tolist()]


def learning_rate(config: TrainingConfig, step: int, steps: int) -> float:
    """Learning rate of a step, from 0: linear warm-up, then a cosine to the final one."""
    rising = max(1, round(config.warmup * steps))
    if step < rising:
        return config.learning_rate * (step + 1) / rising
    progress = (step - rising) / max(1, steps - rising)
    low = config.final_learning_rate
    return config.learning_rate * (low + (1 - low) * (1 + math.cos(math.pi * progress)) / 2)
