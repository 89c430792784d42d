"""The first line of a run: on what, with what, from where. Nobody measures the toy unawares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltamem_base.counts import counted
from deltamem_cli.runs.chosen_weights import Chosen
from deltamem_cli.runs.requests import EvaluationRequest, TrainingRequest
from deltamem_cli.screen.console import Console

if TYPE_CHECKING:
    from deltamem.backbone import Backbone
    from deltamem_base.identities import MethodDescription
    from deltamem_cli.training_data import TrainingData

__all__ = ["announce_evaluation", "announce_training"]

UNITS = ((1e9, "B"), (1e6, "M"), (1e3, "k"))


def announce_evaluation(
    console: Console,
    request: EvaluationRequest,
    backbone: Backbone,
    *,
    described: MethodDescription,
    chosen: Chosen | None,
    samples: int,
) -> None:
    """Say what is evaluated on what, and what there is to know of the weights.

    Args:
        console: prints.
        request: the evaluation.
        backbone: loaded.
        described: what the method says of itself.
        chosen: its weights; None where it has none.
        samples: how many are to be answered.
    """
    named, control = request.options, request.control.name
    adapter = None if chosen is None else f"adapter {chosen.shown(described.sha)}"
    protocol = "" if request.protocol is None else f" ({request.protocol} protocol)"
    words = [
        _model(named["model"], backbone),
        f"method={named['method']}",
        adapter,
        f"context={request.context}",
        None if control == "none" else f"control={control}",
        f"bench={named['bench']}{protocol}",
        counted(samples, "sample"),
    ]
    console.note(", ".join(word for word in words if word is not None))
    for note in () if chosen is None else chosen.notes:
        console.note(note)


def announce_training(
    console: Console, request: TrainingRequest, backbone: Backbone, *, data: TrainingData
) -> None:
    """Say what is trained on what.

    Args:
        console: prints.
        request: the training.
        backbone: loaded.
        data: what is learnt from.
    """
    named, recipe = request.options, request.recipe
    groups = ("writer", "steer") if request.method.needs_adapter else ()
    steps = counted(recipe.steps, "step") if recipe.steps else counted(recipe.epochs, "epoch")
    words = [
        _model(named["model"], backbone),
        " ".join(f"{group}={named[group]}" for group in ("method", *groups)),
        f"training={named['training']} ({steps} of {counted(recipe.batch_size, 'episode')}, "
        f"learning rate {recipe.learning_rate:g})",
        f"data {data.source.get('data', 'unnamed')} ({counted(len(data.episodes), 'episode')})",
    ]
    console.note(", ".join(words))


def _model(name: str, backbone: Backbone) -> str:
    where = "" if backbone.name == name else f"{backbone.name}, "
    return f"model={name} ({where}{_count(backbone.model.num_parameters())} parameters)"


def _count(number: int) -> str:
    size, unit = next(((s, u) for s, u in UNITS if number >= s), (1.0, ""))
    return f"{number / size:.1f} {unit}".rstrip()
