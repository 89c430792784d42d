"""What a run needs and what is missing of it, without loading a weight."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deltamem_base.faults import Fault
from deltamem_cli.runs.build import assemble_data, empty_model_of, model_source
from deltamem_cli.runs.chosen_weights import choose_weights
from deltamem_cli.runs.device_memory import longest_episode, need_of
from deltamem_cli.runs.estimate import DEFAULT_FACTOR, duration, machine_rates, work_of
from deltamem_cli.runs.fitting import shortage
from deltamem_cli.runs.sizes import trained_parameters
from deltamem_cli.settings.compose import choices
from deltamem_cli.settings.instantiate import build, check_types

__all__ = ["Findings", "examine"]

MIB = 2.0**20


@dataclass
class Findings:
    """What was found, line by line, and what is missing."""

    facts: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)


def examine(config: Any, *, kind: str) -> Findings:
    """Everything that a run needs, with the device and back ends that it would have.

    Args:
        config: composed.
        kind: ``eval`` or ``train``.
    """
    found = Findings()
    check_types(config)
    found.facts["plan"] = ", ".join(f"{g}={choices()[g]}" for g in _groups(kind))
    _machine(config, found)
    empty = _sizes(config, found)
    _model(config, found)
    if kind == "eval":
        _weights(config, found)
    else:
        _trackers(config, found)
    _work(config, kind, empty, found)
    return found


def _groups(kind: str) -> tuple[str, ...]:
    both = ("model", "method", "writer")
    return (
        (*both, "bench", "context", "control") if kind == "eval" else (*both, "steer", "training")
    )


def _machine(config: Any, found: Findings) -> None:
    """Versions, device and the back ends that would be chosen."""
    import torch

    from deltamem.backbone.loading.placement import find_device
    from deltamem.delta_rule import VARIABLE
    from deltamem.delta_rule.choice import chosen_form
    from deltamem.delta_rule.compiling import compiler
    from deltamem.delta_rule.many_tokens.fused import has_triton
    from deltamem.delta_rule.single_token import step_form
    from evaluations.records.provenance import versions

    device = find_device(str(config.runtime.device))
    known, names = versions(), ("deltamem", "torch", "transformers")
    found.facts["versions"] = ", ".join(f"{name} {known.get(name, '?')}" for name in names)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    found.facts["device"] = name
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
    found.facts["attention"] = f"{config.runtime.attention} (FlashAttention 2 is {flash})"


def _sizes(config: Any, found: Findings) -> Any:
    """The backbone on the meta device, None where its shape is unknown; its parameters are told."""
    try:
        model = empty_model_of(config)
    except Fault as fault:
        found.missing.append(f"the backbone's configuration: {fault}")
        return None
    total = sum(p.numel() for p in model.parameters())
    found.facts["backbone"] = f"{total:,} parameters"
    if "memory" in config or not config.method.needs_adapter:
        try:
            trained = trained_parameters(config, model)
        except Fault as fault:
            found.missing.append(f"a backbone for this method: {fault}")
            return None
        share = 100 * trained / total
        found.facts["trained"] = f"{trained:,} parameters ({share:.2f} % of the backbone's)"
    return model


def _model(config: Any, found: Findings) -> None:
    """Whether the backbone's weights are on this machine, and its files fit each other."""
    from deltamem.backbone import model_faults, weight_files
    from deltamem_base.faults import InvalidInput

    source = model_source(config)
    told = " ".join(found.missing)
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


def _weights(config: Any, found: Findings) -> None:
    """Whether there is an adapter, or weights of a trained baseline."""
    needs = config.method.needs_adapter or "learner" in config.method
    if not needs:
        return
    try:
        chosen = choose_weights(config, fingerprint=None)
    except Fault as fault:
        found.missing.append(str(fault))
        return
    if chosen is None:
        part = "writer" if config.method.needs_adapter else "method"
        words = " ".join(f"{group}={choices()[group]}" for group in ("model", part))
        found.missing.append(f"trained weights: `deltamem train {words}`")


def _trackers(config: Any, found: Findings) -> None:
    """Whether the packages of the trackers that were asked for are installed."""
    from deltamem_base.faults import Unavailable

    for node in filter(lambda value: isinstance(value, Mapping), config.tracker.values()):
        try:
            build(node)
        except Unavailable as fault:
            found.missing.append(str(fault))


def _work(config: Any, kind: str, empty: Any, found: Findings) -> None:
    """Tokens of the data, memory and time."""
    try:
        work = work_of(kind, config)
    except Fault as fault:
        found.missing.append(f"the data: {fault}")
        return
    new = f", {work.new_tokens:,} new ones at most" if work.new_tokens else ""
    found.facts["tokens"] = f"{work.read_tokens:,} to read{new} (from characters)"
    rates = machine_rates(str(config.runtime.device), str(config.runtime.dtype))
    seconds = work.seconds(rates)
    if seconds is not None and work.parameters is not None:
        bare = f"{DEFAULT_FACTOR:g} x what the arithmetic and memory of this machine allow"
        found.facts["time"] = f"about {duration(DEFAULT_FACTOR * seconds)} ({bare})"
    if empty is not None:
        _memory(config, kind, empty, found)


def _memory(config: Any, kind: str, empty: Any, found: Findings) -> None:
    """The weights, what a training keeps with its longest episode, and whether both fit."""
    longest, trained, recipe = None, 0, None
    if kind == "train":
        recipe = build({key: node for key, node in config.training.items() if key != "data"})
        longest = longest_episode(config, assemble_data(config, recipe).episodes, recipe)
        trained = trained_parameters(config, empty)
    need = need_of(config, empty, trained=trained, longest=longest)
    text = f"{need.weights / MIB:,.0f} MiB of weights"
    if longest is None or recipe is None:
        text += ", and the cache of what is in view"
    else:
        counted = "" if longest.from_tokenizer else ", from characters"
        text += (
            f", about {need.working / MIB:,.0f} MiB to train on with {recipe.micro_batch_size} of "
            f"the longest episodes side by side ({longest.written:,} tokens written, {longest.asks}"
            f" x {longest.read:,} read{counted})"
        )
    found.facts["memory"] = text
    sentence, _ = shortage(config, empty, longest)
    if sentence is not None:
        found.missing.append(f"memory: {sentence}")
