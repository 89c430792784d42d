"""Whether a run fits into a device's memory, and the settings that make it smaller."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from deltamem_base.faults import Fault, Unavailable
from deltamem_cli.runs.device_memory import (
    Longest,
    Need,
    device_memory,
    longest_episode,
    need_of_evaluation,
    need_of_training,
)
from deltamem_cli.runs.requests import BackboneRequest, EvaluationRequest, TrainingRequest
from deltamem_cli.runs.sizes import trained_parameters
from deltamem_cli.screen.console import Console

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deltamem.training import Episode, Episodes

__all__ = [
    "check_memory",
    "evaluation_shortage",
    "one_sentence_without_memory",
    "smaller",
    "training_shortage",
]

CLEARLY = 1.25
"""Share of a device's memory above which an estimate is refused: estimates lie between 0.9 and 1.2
of the measured peaks."""
GIB = 2.0**30
WIDE = ("auto", "float32", "float64")
"""Dtypes that bfloat16 is smaller than."""


def check_memory(request: TrainingRequest, episodes: Episodes[Episode], console: Console) -> None:
    """Refuse a training that cannot fit, before its weights are loaded; warn of one that may not.

    Raises:
        Unavailable: the memory is not there; names the settings that help.
    """
    try:
        model = request.backbone.empty()
    except Fault:
        return  # loading the weights says what is missing
    sentence, share = training_shortage(request, model, longest_episode(request, episodes))
    if sentence is not None and share > CLEARLY:
        raise Unavailable(sentence)
    if sentence is not None:
        console.note(f"note: {sentence}")


def training_shortage(
    request: TrainingRequest, model: PreTrainedModel, longest: Longest
) -> tuple[str | None, float]:
    """A sentence where a training takes more than the device has, and the share that it takes.

    Args:
        request: the training.
        model: the backbone on the meta device.
        longest: the longest episode.
    """
    trained = trained_parameters(request.method, model, memory=request.memory)

    def need(asked: TrainingRequest) -> Need:
        return need_of_training(asked, model, trained=trained, longest=longest)

    return _shortage(request.backbone, need(request), [(w, need(r)) for w, r in smaller(request)])


def evaluation_shortage(
    request: EvaluationRequest, model: PreTrainedModel
) -> tuple[str | None, float]:
    """A sentence where an evaluation takes more than the device has, and the share that it takes.

    Args:
        request: the evaluation.
        model: the backbone on the meta device.
    """
    tried = []
    if (narrow := _narrow(request.backbone)) is not None:
        word, backbone = narrow
        tried.append((word, need_of_evaluation(replace(request, backbone=backbone), model)))
    return _shortage(request.backbone, need_of_evaluation(request, model), tried)


def _shortage(
    backbone: BackboneRequest, need: Need, tried: Sequence[tuple[str, Need]]
) -> tuple[str | None, float]:
    there = device_memory(backbone.device, spread=backbone.spread)
    if there is None or need.total <= there:
        return None, 0.0 if there is None else need.total / there
    share = need.total / there
    said = (
        f"the run takes about {need.total / GIB:,.1f} GiB and the device has {there / GIB:,.1f} GiB"
    )
    words: list[str] = []
    for word, less in tried:
        words.append(word)
        if less.total <= there:
            return f"{said}: with {' '.join(words)} it takes {less.total / GIB:,.1f} GiB", share
    known = f"with {' '.join(words)} too; " if words else ""
    return f"{said}, {known}use a larger device or a smaller backbone", share


def smaller(request: TrainingRequest) -> list[tuple[str, TrainingRequest]]:
    """Settings that take less memory, one added to the other, those first that change no result."""
    recipe, found = request.recipe, []
    if recipe.micro_batch_size > 1:
        recipe = replace(recipe, micro_batch_size=1)
        found.append(("training.micro_batch_size=1", replace(request, recipe=recipe)))
    if request.memory is not None and not recipe.activation_checkpointing:
        recipe = replace(recipe, activation_checkpointing=True)
        found.append(("training.activation_checkpointing=true", replace(request, recipe=recipe)))
    if (narrow := _narrow(request.backbone)) is not None:
        word, backbone = narrow
        found.append((word, replace(request, recipe=recipe, backbone=backbone)))
    return found


def _narrow(backbone: BackboneRequest) -> tuple[str, BackboneRequest] | None:
    if backbone.dtype not in WIDE:
        return None
    return "runtime.dtype=bfloat16", replace(backbone, dtype="bfloat16")


@contextmanager
def one_sentence_without_memory(words: Sequence[str], *, otherwise: str) -> Iterator[None]:
    """A failed allocation in this block, CUDA's or the host's, ends in a sentence.

    Args:
        words: settings that would take less.
        otherwise: what else would.

    Raises:
        Fault: with the settings that help.
    """
    from deltamem_evaluations.memory_limits import out_of_memory

    try:
        yield
    except Exception as fault:
        if not out_of_memory(fault):
            raise
        use = f"{' '.join(words)}, {otherwise}" if words else otherwise
        raise Fault(f"memory ran out in training: use {use}, or another device") from fault
