"""Requests of the recipe and the launcher to a process: met, refused or mentioned."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from deltamem_cli.errors import USAGE, UsageError
from deltamem_cli.launched import process_count, speaks
from deltamem_cli.runs.requests import BackboneRequest
from deltamem_cli.screen.console import Console

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deltamem.training import Learner, Processes, TrainingConfig

__all__ = ["check_alone", "check_shared", "fit_out"]

ADAM_BYTES = 8
"""Two moments of float32 for each number that is trained."""


def check_alone() -> None:
    """Refuse to be one of several processes of a launcher, where they would all do the same.

    Raises:
        UsageError: in the first process; the others end with its exit code.
    """
    if process_count() == 1:
        return
    if not speaks():
        raise SystemExit(USAGE)
    raise UsageError(
        f"WORLD_SIZE is {process_count()}, but only `deltamem train` and `deltamem eval` can use "
        "several processes, for one run at a time: start other commands, and -m, without torchrun "
        "or accelerate launch"
    )


def check_shared(backbone: BackboneRequest) -> None:
    """Refuse what several processes of an evaluation, each with a whole backbone, cannot do.

    Args:
        backbone: the one that is asked for.

    Raises:
        UsageError: it is spread over devices that each process would take for its own, or named
            for all, or the launcher is to shard it.
    """
    if process_count() == 1:
        return
    if os.environ.get("ACCELERATE_USE_FSDP") == "true":
        raise UsageError(
            "an evaluation does not shard its backbone: start accelerate launch without "
            "--use_fsdp; model.device_map=auto spreads it over all GPUs, in a single process"
        )
    if backbone.spread:
        raise UsageError(
            "model.device_map spreads the backbone over all GPUs, but each of several processes "
            "takes one GPU: leave it out, or start a single process"
        )
    if ":" in backbone.device:
        raise UsageError(
            f"runtime.device is {backbone.device}, which all processes would share: leave the "
            "number out, so that each process takes a device of its own"
        )


def fit_out(
    learner: Learner[Any, Any],
    model: PreTrainedModel,
    recipe: TrainingConfig,
    processes: Processes,
    *,
    method: str,
    console: Console,
) -> None:
    """Make a frozen backbone ready to be trained on, in place.

    Args:
        learner: what is trained on it.
        model: the backbone.
        recipe: whether activations are checkpointed.
        processes: that train together.
        method: the learner's name, for messages.
        console: told which of the launcher's options have no effect.

    Raises:
        UsageError: the recipe or the launcher asks for what this learner cannot do.
    """
    from deltamem.backbone import checkpoint_activations
    from deltamem.training import shard

    if recipe.activation_checkpointing:
        if not learner.can_recompute:
            raise UsageError(
                f"training.activation_checkpointing=true does not work with {method}, which "
                "changes what is attached to the backbone during a pass: set it to false"
            )
        checkpoint_activations(model)
    if processes.shards:
        if not learner.take_even_passes():
            raise UsageError(
                f"{method} takes a different number of passes in each process, and FSDP "
                "needs the same one in all: start accelerate launch without --use_fsdp"
            )
        shard(model)
    for sentence in _without_effect(learner):
        console.note(f"note: {sentence}")


def _without_effect(learner: Learner[Any, Any]) -> list[str]:
    """Options of ``accelerate launch`` that something else decides here."""
    asked, found = os.environ.get, []
    if asked("ACCELERATE_USE_DEEPSPEED") == "true":
        moments = ADAM_BYTES * sum(p.numel() for p in learner.parameters()) / 1e6
        found.append(
            f"DeepSpeed is left out: each process keeps the {moments:,.1f} MB of optimiser state "
            "that ZeRO would share out; the losses are the same (--use_fsdp shards the backbone)"
        )
    if asked("ACCELERATE_MIXED_PRECISION", "no") not in ("no", "fp32"):
        found.append("--mixed_precision has no effect: runtime.dtype is the backbone's precision")
    if int(asked("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "1")) > 1:
        found.append(
            "--gradient_accumulation_steps has no effect: a step has training.batch_size "
            "episodes, taken training.micro_batch_size at a time"
        )
    if asked("ACCELERATE_DYNAMO_BACKEND", "NO").upper() != "NO":
        found.append("--dynamo_backend has no effect: torch.compile is not used")
    return found
