"""Agreement with the authors' implementation, case by case (mechanism, section 4).

A case is a folder: ``backbone/`` (a Hugging Face model), ``adapter/`` (published format),
``case.json`` and ``expected.safetensors`` with ids, masks, logits, states and, for some, the
gradients of the mean next-token loss. Every case runs under eager and SDPA attention; the numbers
expected of both are the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import cross_entropy

from deltamem.adapter.authors_format import tensor_name
from deltamem.adapter.delta_memory import DeltaMemory, load_adapter
from deltamem.attachment.attach import Attachment
from deltamem.backbone import Backbone, fingerprint, pretrained_model
from deltamem.state import MemoryState
from deltamem_base.faults import InvalidInput, Unavailable

__all__ = ["ATTENTIONS", "TOLERANCE", "CaseResult", "run_case", "run_folder"]

ATTENTIONS = ("eager", "sdpa")
TOLERANCE = 2e-5
"""Agreement asked for: absolute for logits, relative to their maximum for states and gradients."""


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """Largest disagreement of one case under one attention implementation."""

    name: str
    attention: str
    logits: float
    """Largest absolute difference over valid positions."""
    states: float
    """Largest difference of any state, over its layer's largest entry."""
    gradients: float | None
    """The same for the gradients; None where the case gives none."""

    @property
    def passed(self) -> bool:
        """Whether everything given agrees to :data:`TOLERANCE`; NaN never does."""
        return all(
            error <= TOLERANCE
            for error in (self.logits, self.states, self.gradients)
            if error is not None
        )


def run_folder(folder: Path) -> list[CaseResult]:
    """Run every case in ``folder``, or ``folder`` itself if it is a case.

    Raises:
        Unavailable: no case there.
        InvalidInput: a file of a case is missing or damaged.
    """
    own = [folder] if (folder / "case.json").is_file() else []
    cases = own or sorted(path.parent for path in folder.glob("*/case.json"))
    if not cases:
        raise Unavailable(
            f"no parity case in {folder}: a case is a folder with case.json, expected.safetensors, "
            "backbone/ and adapter/"
        )
    return [run_case(case, attention=attention) for case in cases for attention in ATTENTIONS]


def run_case(case: Path, *, attention: str) -> CaseResult:
    """One case under one attention implementation, in float32 on the CPU."""
    settings, expected = _read(case)
    backbone = _bare_backbone(case / "backbone", attention)
    memory = load_adapter(case / "adapter", backbone)
    with memory.attach(backbone.model) as attached:
        logits, states = _forward(attached, settings, expected)
    mask = _mask(expected)
    gradients = None
    if any(name.startswith("grad.") for name in expected):
        gradients = _gradient_error(memory, _loss(logits, expected["input_ids"], mask), expected)
    return CaseResult(
        name=case.name,
        attention=attention,
        logits=_worst([(logits.detach() - expected["logits"]).abs()[mask]]),
        states=_state_error(states, expected),
        gradients=gradients,
    )


def _read(case: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        settings = json.loads((case / "case.json").read_text(encoding="utf-8"))
        return settings, load_file(case / "expected.safetensors")
    except (OSError, ValueError, SafetensorError) as fault:
        raise InvalidInput(f"the parity case {case} cannot be read: {fault}") from fault


def _bare_backbone(folder: Path, attention: str) -> Backbone:
    """A model without a tokenizer: parity cases start from token ids."""
    if not folder.is_dir():
        raise InvalidInput(f"the parity case {folder.parent} has no folder {folder.name}")
    model = pretrained_model(str(folder), dtype="float32", attn_implementation=attention)
    model = model.eval().requires_grad_(False)
    none: Any = None
    return Backbone(
        model=model,
        tokenizer=none,
        name=str(folder),
        revision=None,
        window=model.config.get_text_config().max_position_embeddings,
        fingerprint=fingerprint(model),
    )


def _mask(expected: Mapping[str, Tensor]) -> Tensor:
    given = expected.get("attention_mask")
    return torch.ones_like(expected["input_ids"]).bool() if given is None else given.bool()


def _segments(
    settings: Mapping[str, Any], expected: Mapping[str, Tensor], *, part: str = ""
) -> Tensor | None:
    """Message ids, or sentence ids where there is a message; of the history with ``part``."""
    unit, messages = settings.get("segments"), expected.get(f"{part}message_ids")
    if unit is None or messages is None:
        return None
    sentences = expected.get(f"{part}sentence_ids")
    return (
        messages if unit == "message" or sentences is None else sentences.where(messages >= 0, -1)
    )


def _forward(
    attached: Attachment, settings: Mapping[str, Any], expected: Mapping[str, Tensor]
) -> tuple[Tensor, dict[str, MemoryState]]:
    """Logits of all tokens, and the states by the prefix of their names in ``expected``."""
    ids, mask = expected["input_ids"], _mask(expected).long()
    state, write = attached.memory.zeros(len(ids)), not settings.get("readonly", False)
    states: dict[str, MemoryState] = {}
    if "history_ids" in expected:
        _, state = attached.forward(
            expected["history_ids"],
            expected.get("history_mask"),
            segments=_segments(settings, expected, part="history_"),
            logits=False,
            use_cache=False,
        )
        states["history_state."] = state
    segments, decoded = _segments(settings, expected), int(settings.get("decode") or 0)
    start, cache, logits = 0, None, []
    for end in range(ids.shape[1] - decoded, ids.shape[1] + 1):
        output, state = attached.forward(
            ids[:, start:end],
            mask[:, :end],
            state=state,
            write=write,
            segments=None if segments is None else segments[:, start:end],
            past_key_values=cache,
            use_cache=decoded > 0,
        )
        start, cache = end, output.past_key_values
        logits.append(output.logits)
    states["state."] = state
    return torch.cat(logits, dim=1), states


def _loss(logits: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    """Mean cross-entropy of the next token over the valid positions."""
    labels = ids.masked_fill(~mask, -100)
    return cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())


def _state_error(states: Mapping[str, MemoryState], expected: Mapping[str, Tensor]) -> float:
    """Over every state that the case expects; one that we do not have counts as NaN."""
    errors = []
    for prefix, state in states.items():
        for name, wanted in expected.items():
            if name.startswith(prefix):
                got = state.layers.get(int(name.removeprefix(prefix)))
                missing = torch.full_like(wanted, torch.nan)
                errors.append(_relative(missing if got is None else got.view_as(wanted), wanted))
    return _worst(errors)


def _gradient_error(memory: DeltaMemory, loss: Tensor, expected: Mapping[str, Tensor]) -> float:
    loss.backward()
    errors = []
    for name, parameter in memory.named_parameters():
        wanted = expected.get(f"grad.{tensor_name(name)}")
        if wanted is not None:
            got = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            errors.append(_relative(got, wanted))
    return _worst(errors)


def _relative(got: Tensor, wanted: Tensor) -> Tensor:
    """Differences over the largest wanted entry (absolute where all wanted are zero)."""
    largest = wanted.abs().max()
    return (got.detach() - wanted).abs() / torch.where(largest > 0, largest, 1.0)


def _worst(errors: Sequence[Tensor]) -> float:
    """The largest of all; NaN if any is NaN or there are none."""
    if not errors:
        return float("nan")
    return float(torch.cat([error.flatten() for error in errors]).max())
