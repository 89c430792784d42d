"""The needs of a run and what is missing of them, without loading a weight."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deltamem_base.faults import Fault
from deltamem_cli.runs.chosen_weights import choose_weights
from deltamem_cli.runs.device_memory import (
    Longest,
    longest_episode,
    need_of_evaluation,
    need_of_training,
)
from deltamem_cli.runs.estimate import DEFAULT_FACTOR, duration, machine_rates, work_of
from deltamem_cli.runs.fitting import evaluation_shortage, training_shortage
from deltamem_cli.runs.requests import BackboneRequest, EvaluationRequest, TrainingRequest
from deltamem_cli.runs.sizes import trained_parameters
from deltamem_cli.settings.instantiate import build, made_by

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Findings", "examine"]

MIB = 2.0**20
FOR_EVALUATION = ("model", "method", "writer", "bench", "context", "control")
FOR_TRAINING = ("model", "method", "writer", "steer", "training")


@dataclass
class Findings:
    """Facts that were found, line by line, and what is missing."""

    facts: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def examine(request: EvaluationRequest | TrainingRequest) -> Findings:
    """Everything that a run needs, with the device and back ends that it would have."""
    found = Findings()
    training = isinstance(request, TrainingRequest)
    groups = FOR_TRAINING if training else FOR_EVALUATION
    found.facts["plan"] = ", ".join(f"{group}={request.options[group]}" for group in groups)
    _machine(request.backbone, found)
    empty = _sizes(request, found)
    _model(request.backbone, found)
    if isinstance(request, EvaluationRequest):
        _weights(request, found)
    else:
        _trackers(request, found)
    if _work(request, found) and empty is not None:
        if isinstance(request, EvaluationRequest):
            _evaluation_memory(request, empty, found)
        else:
            _training_memory(request, empty, found)
    return found


def _machine(backbone: BackboneRequest, found: Findings) -> None:
    """Versions, device and the back ends that would be chosen."""
    import torch

    from deltamem.backbone.loading.placement import find_device
    from deltamem.delta_rule import VARIABLE
    from deltamem.delta_rule.choice import chosen_form
    from deltamem.delta_rule.compiling import compiler
    from deltamem.delta_rule.many_tokens.fused import has_triton
    from deltamem.delta_rule.single_token import step_form
    from deltamem_evaluations.records.environment import versions

    device = find_device(backbone.device)
    known, names = versions(), ("deltamem", "torch", "transformers")
    found.facts["versions"] = ", ".join(f"{name} {known.get(name, '?')}" for name in names)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    found.facts["device"] = name
    if device.type == "cpu":
        found.facts["16 bits"] = _half_precision()
    scans = {
        doing: chosen_form(
            device.type,
            triton=has_triton(),
            compiled=compiler() is not None,
            gradients=doing == "train",
            time=8192,
            rank=8,
        )
        for doing in ("train", "eval")
    }
    single = step_form(
        device.type,
        triton=has_triton() and device.type == "cuda",
        compiled=compiler() is not None,
        named=os.environ.get(VARIABLE, ""),
    )
    each = [f"{form} to {doing}" for doing, form in scans.items()]
    found.facts["scan"] = ", ".join([*each, f"{single} for single tokens"])
    flash = "installed" if importlib.util.find_spec("flash_attn") else "not installed"
    found.facts["attention"] = f"{backbone.attention} (FlashAttention 2 is {flash})"


def _half_precision() -> str:
    """One sentence on what this CPU has for numbers of 16 bits, and which ``runtime=`` follows."""
    import torch

    if torch.cpu._is_amx_tile_supported():
        return "the CPU has AMX: runtime=cpu_bfloat16 trains faster than float32"
    if torch.cpu._is_avx512_bf16_supported():
        return "the CPU has avx512_bf16 and no AMX: try whether runtime=cpu_bfloat16 is faster"
    return "the CPU has neither AMX nor avx512_bf16: runtime=cpu, in float32, is as fast as any"


def _sizes(request: EvaluationRequest | TrainingRequest, found: Findings) -> PreTrainedModel | None:
    """The backbone on the meta device, None where its shape is unknown; its parameters are told."""
    try:
        model = request.backbone.empty()
    except Fault as fault:
        found.missing.append(f"the backbone's configuration: {fault}")
        return None
    total = sum(p.numel() for p in model.parameters())
    found.facts["backbone"] = f"{total:,} parameters"
    memory = request.memory if isinstance(request, TrainingRequest) else None
    if memory is not None or not request.method.needs_adapter:
        try:
            trained = trained_parameters(request.method, model, memory=memory)
        except Fault as fault:
            found.missing.append(f"a backbone for this method: {fault}")
            return None
        share = 100 * trained / total
        found.facts["trained"] = f"{trained:,} parameters ({share:.2f} % of the backbone's)"
    return model


def _model(backbone: BackboneRequest, found: Findings) -> None:
    """Whether the backbone's weights are on this machine, and its files fit each other."""
    from deltamem.backbone import model_faults, weight_files
    from deltamem_base.faults import InvalidInput

    told = " ".join(found.missing)
    try:
        source = backbone.source
    except Fault as fault:  # of a GGUF file
        found.missing += [] if str(fault) in told else [str(fault)]
        return
    found.missing += [fault for fault in model_faults(**source) if fault not in told]
    try:
        if weight_files(**source):
            return
    except InvalidInput:  # told already
        return
    found.missing.append(
        f"the weights of {source['id']}: `hf download {source['id']}`, or name a folder with "
        "model.id=FOLDER"
    )


def _weights(request: EvaluationRequest, found: Findings) -> None:
    """Whether there are trained weights, or the model of a method that has one of its own."""
    weights, arguments = request.weights, request.method.arguments
    trained = weights.needs_adapter or weights.needs_baseline
    try:
        if trained and choose_weights(weights, fingerprint=None) is not None:
            return
    except Fault as fault:
        found.missing.append(str(fault))
        return
    absent = getattr(made_by(arguments), "absent", None)
    if absent is not None:
        said = absent(**{key: value for key, value in arguments.items() if key != "_target_"})
        found.missing += [] if said is None else [said]
    elif trained:
        part = "writer" if weights.needs_adapter else "method"
        words = " ".join(f"{group}={request.options[group]}" for group in ("model", part))
        found.missing.append(f"trained weights: `deltamem train {words}`")


def _trackers(request: TrainingRequest, found: Findings) -> None:
    """Whether the packages of the trackers that were asked for are installed."""
    from deltamem_base.faults import Unavailable

    for node in filter(lambda value: isinstance(value, Mapping), request.tracker.values()):
        try:
            build(node)
        except Unavailable as fault:
            found.missing.append(str(fault))


def _work(request: EvaluationRequest | TrainingRequest, found: Findings) -> bool:
    """Tokens of the data, and time; false where the data is not here."""
    try:
        work = work_of(request)
    except Fault as fault:
        found.missing.append(f"the data: {fault}")
        return False
    new = f", {work.new_tokens:,} new ones at most" if work.new_tokens else ""
    found.facts["tokens"] = f"{work.read_tokens:,} to read{new} (from characters)"
    seconds = work.seconds(machine_rates(request.backbone.device, request.backbone.dtype))
    if seconds is not None and work.parameters is not None:
        bare = f"{DEFAULT_FACTOR:g} x what the arithmetic and memory of this machine allow"
        found.facts["time"] = f"about {duration(DEFAULT_FACTOR * seconds)} ({bare})"
    return True


def _evaluation_memory(request: EvaluationRequest, empty: PreTrainedModel, found: Findings) -> None:
    """The weights, and whether they fit."""
    need = need_of_evaluation(request, empty)
    found.facts["memory"] = (
        f"{need.weights / MIB:,.0f} MiB of weights, and the cache of what is in view"
    )
    _say_shortage(evaluation_shortage(request, empty), found)


def _training_memory(request: TrainingRequest, empty: PreTrainedModel, found: Findings) -> None:
    """The weights, what a training keeps with its longest episode, and whether both fit."""
    longest: Longest = longest_episode(request, request.load_data().episodes)
    trained = trained_parameters(request.method, empty, memory=request.memory)
    need = need_of_training(request, empty, trained=trained, longest=longest)
    counted = "" if longest.from_tokenizer else ", from characters"
    found.facts["memory"] = (
        f"{need.weights / MIB:,.0f} MiB of weights, about {need.working / MIB:,.0f} MiB to train "
        f"on with {request.recipe.micro_batch_size} of the longest episodes side by side "
        f"({longest.written:,} tokens written, {longest.asks} x {longest.read:,} read{counted})"
    )
    _say_shortage(training_shortage(request, empty, longest), found)


def _say_shortage(shortage: tuple[str | None, float], found: Findings) -> None:
    sentence, _ = shortage
    if sentence is not None:
        found.missing.append(f"memory: {sentence}")
