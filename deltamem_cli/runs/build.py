"""From a request to the live objects: backbone, adapter, method, learner."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_base.downloads import told_of_downloads
from deltamem_cli.errors import UsageError
from deltamem_cli.runs.chosen_weights import Chosen, choose_adapter, choose_weights
from deltamem_cli.runs.requests import (
    BackboneRequest,
    EvaluationRequest,
    TrainingRequest,
    WeightsRequest,
)
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.groups import method_settings, option, options
from deltamem_cli.settings.instantiate import build

if TYPE_CHECKING:
    from deltamem import DeltaMemConfig, DeltaMemory
    from deltamem.backbone import Backbone
    from deltamem_base.identities import MethodDescription

__all__ = [
    "assemble_learner",
    "assemble_method",
    "is_trained",
    "load_backbone",
    "load_memory",
    "load_with_memory",
    "naming_weights",
    "writer_name",
]


def load_backbone(request: BackboneRequest, console: Console) -> Backbone:
    """The backbone, after a line on what is waited for; the embedded one is there at once."""
    from deltamem.backbone import weight_files
    from deltamem_base.hub import hub_answers

    if request.id is not None:
        named = f"model={request.name} ({request.id}) ..."
        if request.gguf_file is not None or weight_files(**request.source):
            console.note(f"loading {named}")
        elif not Path(request.id).exists() and hub_answers():
            console.note(f"downloading and loading {named}")
    return request.load()


def assemble_method(
    request: EvaluationRequest, backbone: Backbone, *, chosen: Chosen | None = None
) -> Any:
    """The method of an evaluation on a backbone, with its weights where it has some.

    Args:
        request: the evaluation.
        backbone: loaded.
        chosen: its weights; None chooses them.

    Raises:
        UsageError: a control that this method has no use for.
    """
    method, control = request.method, request.control
    if method.needs_adapter:
        if control.writes == "nothing" and method.writes_answers:
            raise UsageError(
                f"control={control.name} writes nothing, but method.write_answers=true "
                "writes questions and answers; leave one of them out"
            )
        return build(
            method.arguments,
            backbone=backbone,
            memory=load_memory(request.weights, backbone, chosen=chosen),
            context=request.context,
            state_control=control.state,
            seed=request.seed,
        )
    if not control.is_none:
        raise UsageError(
            f"control={control.name} changes the state of δ-mem, but "
            f"method={method.name} has no such state; use method=delta_mem or "
            "control=none"
        )
    chosen = chosen or choose_weights(request.weights, fingerprint=backbone.fingerprint)
    live: dict[str, object] = {"backbone": backbone, "context": request.context}
    if method.learner is not None:
        live["weights"] = None if chosen is None else str(chosen.folder)
    return build(method.arguments, **live)


def assemble_learner(
    request: TrainingRequest, backbone: Backbone, *, start: Chosen | None = None
) -> Any:
    """The learner of a training on a backbone.

    Args:
        request: the training.
        backbone: loaded.
        start: the adapter whose weights it begins with; None: fresh ones.

    Raises:
        UsageError: the method has nothing to train, or the adapter is of another layout.
    """
    recipe, method = request.recipe, request.method
    if request.memory is not None:
        from deltamem.training import DeltaMemLearner

        return DeltaMemLearner(
            backbone,
            _first_memory(request, request.memory, backbone, start),
            write_length=recipe.write_length,
            read_length=recipe.read_length,
            gate_target=recipe.gate_target,
        )
    if method.learner is None:
        trainable = [name for name in options("method") if is_trained(name)]
        raise UsageError(
            f"method={method.name} has nothing to train; choose one of " + ", ".join(trainable)
        )
    return build(
        method.learner,
        backbone=backbone,
        seed=request.seed,
        read_length=recipe.write_length + recipe.read_length,
    )


def _first_memory(
    request: TrainingRequest, layout: DeltaMemConfig, backbone: Backbone, start: Chosen | None
) -> DeltaMemory:
    """The memory that a training begins with: fresh, or an adapter's of the same layout."""
    from deltamem import DeltaMemory, load_adapter

    if start is None:
        memory = DeltaMemory(layout, backbone.model)
        return memory.initialise(backbone.model, seed=request.seed)
    memory = load_adapter(start.folder, backbone)
    wanted, found = (asdict(_to_go_on(config)) for config in (layout, memory.config))
    for name, value in wanted.items():
        if found[name] != value:
            raise UsageError(
                f"the adapter {start.source} has memory.{name}={found[name]}, but this training "
                f"asks for {value}: set the value that it has, or leave adapter= out"
            )
    return memory


def _to_go_on(config: DeltaMemConfig) -> DeltaMemConfig:
    """A layout without the settings that only say how fresh weights begin."""
    return replace(config, beta_bias_init=0.0, init="zero", init_gain=0.0)


def load_memory(
    request: WeightsRequest, backbone: Backbone, *, chosen: Chosen | None = None
) -> DeltaMemory:
    """The adapter that was named, else the one that fits; see :func:`choose_adapter`.

    Raises:
        Unavailable: there is none.
        UsageError: several fit, or the adapter's writer is not the one that was asked for.
    """
    from deltamem import load_adapter

    chosen = chosen or choose_adapter(request, fingerprint=backbone.fingerprint)
    memory = load_adapter(chosen.folder, backbone)
    asked_for = request.adapter is not None and request.writer_was_named
    if asked_for and memory.config.writer != request.writer:
        raise UsageError(
            f"writer={request.writer_name} was asked for, but the adapter "
            f"{chosen.source} writes by {memory.config.writer.granularity} into "
            f"{memory.config.writer.num_states} state(s); leave writer= out"
        )
    return memory


def load_with_memory(
    backbone: BackboneRequest, weights: WeightsRequest, console: Console
) -> tuple[Backbone, DeltaMemory, Chosen]:
    """A backbone, the adapter that fits it, and where that comes from: all that a talk needs.

    Raises:
        Unavailable: one of them is not there.
        UsageError: several adapters fit; see :func:`load_memory`.
    """
    loaded = load_backbone(backbone, console)
    with told_of_downloads(console.note):
        chosen = choose_adapter(weights, fingerprint=loaded.fingerprint)
    return loaded, load_memory(weights, loaded, chosen=chosen), chosen


def writer_name(described: MethodDescription) -> str:
    """The option of ``writer=`` that an adapter writes by, from what its method says of itself.

    A named adapter brings its own writer, whatever ``writer=`` is by default.
    """
    from deltamem.writers.stored import stored_writer

    wanted = json.loads(str(described.settings["writes_by"]))
    for name in options("writer"):
        made = build(option("writer", name))
        if stored_writer(made) == wanted:
            return name
    return "-".join(str(value) for value in wanted.values())


def is_trained(method: str) -> bool:
    """Whether ``deltamem train method=…`` makes weights for it."""
    node = method_settings(method)
    return bool(node["needs_adapter"] or "learner" in node)


def naming_weights(method: str) -> list[str]:
    """Settings that name weights of a method: nothing is trained where one of them is given."""
    released = method_settings(method).get("instead_of_weights")
    return ["adapter", *([] if released is None else [f"method.{released}"])]
