"""Folders of trained baselines: safetensors, settings and a card; never a pickle.

baseline.json          method, settings, and the backbone that the weights belong to
baseline.safetensors   or model.safetensors, in a folder that another package loads as well
README.md              the card
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from deltamem.backbone import Backbone
from deltamem.backbone.digest import tensors_sha
from deltamem.backbone.generation.finite import first_not_finite
from deltamem_base.faults import InvalidInput, Unavailable
from deltamem_base.whole_files import atomically

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = [
    "MODEL",
    "SETTINGS",
    "Weights",
    "load_weights",
    "save_weights",
    "stored_origin",
    "stored_sha",
    "weights_file",
]

SETTINGS = "baseline.json"
WEIGHTS = "baseline.safetensors"
MODEL = "model.safetensors"
"""The name of the weights in a folder that another package loads as well."""
CARD = "README.md"

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True, eq=False, kw_only=True)
class Weights:
    """The content of a folder of trained weights."""

    folder: Path
    settings: Mapping[str, object]
    """Keyword arguments of the module that the tensors belong to."""
    tensors: Mapping[str, Tensor]
    learnt: Mapping[str, object] = field(default_factory=dict)
    """Facts of the training that the method tells again."""

    @property
    def sha(self) -> str:
        """sha256 over all tensors in the order of their names."""
        return tensors_sha(self.tensors)

    def make(self, kind: Callable[..., Module], model: PreTrainedModel | None) -> Module:
        """The module of these weights beside ``model``, frozen.

        Raises:
            InvalidInput: what does not match, of the settings, the tensors' names or their shapes.
        """
        try:
            module = kind(model, **self.settings)
        except TypeError as fault:
            raise InvalidInput(f"the settings in {self.folder / SETTINGS}: {fault}") from fault
        self.check(module)
        module.load_state_dict(dict(self.tensors))
        return module.requires_grad_(False)

    def check(self, module: nn.Module) -> None:
        """Compare names and shapes with those of ``module``, which may be on the meta device.

        Raises:
            InvalidInput: what does not match.
        """
        wanted = module.state_dict()
        for problem, names in (
            ("lacks", wanted.keys() - self.tensors.keys()),
            ("has, beyond what its settings use,", self.tensors.keys() - wanted.keys()),
        ):
            if names:
                raise InvalidInput(
                    f"{self.folder} {problem} {len(names)} tensors, the first is {min(names)}"
                )
        for name, tensor in self.tensors.items():
            if tensor.shape != wanted[name].shape:
                raise InvalidInput(
                    f"{self.folder}: {name} is {tuple(tensor.shape)}, this backbone needs "
                    f"{tuple(wanted[name].shape)}"
                )


def save_weights(
    module: nn.Module,
    folder: Path,
    *,
    method: str,
    settings: Mapping[str, object],
    backbone: Backbone,
    card: Mapping[str, object],
    learnt: Mapping[str, object] | None = None,
    file: str = WEIGHTS,
) -> Path:
    """Write ``folder``; the card comes last, so that a folder with a card is whole.

    Args:
        module: whose tensors are written.
        folder: made where it is missing.
        method: the name under which ``deltamem eval`` finds the method.
        settings: what the module has to be made with.
        backbone: what was trained on; its identity is stored and checked at load.
        card: facts for the card, such as training settings and metrics.
        learnt: facts of the training that the method tells again.
        file: name of the weights.

    Raises:
        CannotWrite: the folder cannot be written.
    """
    tensors = {name: w.detach().cpu().contiguous() for name, w in module.state_dict().items()}
    content = {
        "method": method,
        "settings": dict(settings),
        "backbone": backbone.origin,
    }
    content |= {} if learnt is None else {"learnt": dict(learnt)}
    sha = Weights(folder=folder, settings=settings, tensors=tensors).sha
    facts = {
        "backbone weights (fingerprint)": backbone.fingerprint,
        "trained weights (sha256)": sha,
        "numbers": f"{sum(t.numel() for t in tensors.values()):,}",
        **settings,
        **card,
    }
    with atomically(folder / file) as part:
        part.write_bytes(save(tensors, metadata={"format": "pt"}))
    with atomically(folder / SETTINGS) as part:
        part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    with atomically(folder / CARD) as part:
        part.write_text(_card(method, backbone, facts), encoding="utf-8")
    return folder


def load_weights(folder: str | None, *, method: str, backbone: Backbone) -> Weights:
    """Read what :func:`save_weights` wrote.

    Raises:
        Unavailable: no folder was named, or it holds no weights; names the command that makes some.
        InvalidInput: weights of another method or backbone, or damaged files.
    """
    remedy = (
        f"train them with `deltamem train method={method}`, or name a folder that holds some with "
        "adapter=FOLDER"
    )
    if folder is None:
        raise Unavailable(f"method={method} needs trained weights: {remedy}")
    path = Path(folder).expanduser()
    missing = [file.name for file in (path / SETTINGS, weights_file(path)) if not file.is_file()]
    if missing:
        raise Unavailable(f"there is no {missing[0]} in {path}: {remedy}")
    try:
        content = json.loads((path / SETTINGS).read_text(encoding="utf-8"))
        made_by, identity = content["method"], content["backbone"]
        settings, learnt = content["settings"], content.get("learnt", {})
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise InvalidInput(f"{path} is damaged or holds something else: {fault!r}") from fault
    if made_by != method:
        raise InvalidInput(f"{path} holds weights of method={made_by}, and this is method={method}")
    if identity["fingerprint"] != backbone.fingerprint:
        raise InvalidInput(
            f"{path} was trained on {identity['name']} (weights {identity['fingerprint'][:12]}), "
            f"and the backbone is {backbone.name} (weights {backbone.fingerprint[:12]})"
        )
    return Weights(folder=path, settings=settings, tensors=_tensors(path), learnt=learnt)


def stored_origin(folder: Path) -> tuple[str, Mapping[str, object]]:
    """The method that made the weights of a folder, and the backbone that they belong to.

    Raises:
        InvalidInput: settings that cannot be read.
    """
    try:
        content = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
        return str(content["method"]), dict(content["backbone"])
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise InvalidInput(f"{folder} is damaged or holds something else: {fault!r}") from fault


def stored_sha(folder: Path) -> str:
    """:attr:`Weights.sha` of a folder, without its backbone.

    Raises:
        InvalidInput: no weights there, or damaged ones.
    """
    return Weights(folder=folder, settings={}, tensors=_tensors(folder)).sha


def weights_file(folder: Path) -> Path:
    """Where the tensors of a folder lie, or would."""
    return folder / (MODEL if (folder / MODEL).is_file() else WEIGHTS)


def _tensors(folder: Path) -> dict[str, Tensor]:
    try:
        tensors = load_file(weights_file(folder))
    except (OSError, SafetensorError) as fault:
        raise InvalidInput(f"{folder} is damaged or holds something else: {fault!r}") from fault
    broken = first_not_finite(tensors)
    if broken is not None:
        raise InvalidInput(
            f"{folder} holds weights that are not finite: their training diverged; the first is "
            f"{broken}"
        )
    return tensors


def _card(method: str, backbone: Backbone, facts: Mapping[str, object]) -> str:
    revision = f" at revision `{backbone.revision}`" if backbone.revision else ""
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.items())
    return f"""---
base_model: {backbone.name}
library_name: deltamem
tags:
- memory
---

# {method} for {backbone.name}

A baseline of the δ-mem comparison (arXiv 2605.12357), trained for the frozen backbone
`{backbone.name}`{revision}.

| | |
|---|---|
{rows}

Use it with `deltamem eval method={method} adapter=FOLDER`.
"""
