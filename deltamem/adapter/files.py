"""Adapter folders: ours (safetensors and a model card) and the authors' (read; written on request).

delta_mem_config.json           the authors' keys; ours adds one, "backbone"
delta_mem_adapter.safetensors   ours            delta_mem_adapter.pt   the authors'
README.md                       the model card, ours only
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from deltamem.adapter.authors_format import (
    from_published,
    parameter_name,
    tensor_name,
    to_published,
    to_published_tensors,
)
from deltamem.adapter.card import model_card
from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.backbone import Backbone
from deltamem.backbone.digest import tensors_sha
from deltamem.backbone.generation.finite import first_not_finite
from deltamem.layers.config import DeltaMemConfig
from deltamem_base.faults import InvalidInput, Unavailable
from deltamem_base.whole_files import atomically

__all__ = [
    "CARD",
    "CONFIG",
    "FORMAT",
    "WEIGHTS",
    "load_adapter",
    "read_adapter",
    "save_adapter",
    "save_published_adapter",
    "stored_config",
    "stored_origin",
    "stored_sha",
]

CONFIG = "delta_mem_config.json"
WEIGHTS = "delta_mem_adapter.safetensors"
CARD = "README.md"
FORMAT = (CONFIG, WEIGHTS, CARD)
"""All that a folder of ours holds."""
PUBLISHED_WEIGHTS = "delta_mem_adapter.pt"


def save_adapter(
    memory: DeltaMemory, folder: Path, *, backbone: Backbone, card: Mapping[str, Any] | None = None
) -> Path:
    """Write ``folder`` in our format: safetensors, configuration, model card; never a pickle.

    The card comes last, so that a folder with a card is whole.

    Args:
        backbone: what the adapter was trained on; its identity is stored and checked at load.
        card: facts for the model card, such as training settings and metrics.

    Raises:
        CannotWrite: the folder cannot be written.
    """
    weights = {
        tensor_name(name): w.detach().cpu().contiguous() for name, w in memory.state_dict().items()
    }
    with atomically(folder / WEIGHTS) as part:
        part.write_bytes(save(weights, metadata={"format": "pt"}))
    _write_config(folder, {**to_published(memory.config), "backbone": backbone.origin})
    with atomically(folder / CARD) as part:
        part.write_text(model_card(memory, backbone, facts=card or {}), encoding="utf-8")
    return folder


def save_published_adapter(memory: DeltaMemory, folder: Path, *, backbone: Backbone) -> Path:
    """Write ``folder`` as the authors' scripts read it: their configuration and a ``.pt`` file.

    Raises:
        CannotWrite: the folder cannot be written.
    """
    outputs = {
        index: {h: getattr(attention, f"{h}_proj").out_features for h in "qkvo"}
        for index, attention in memory.attentions(backbone.model)
    }
    pickled = BytesIO()  # torch says of a full disk that a RuntimeError occurred
    torch.save(to_published_tensors(memory.state_dict(), outputs), pickled)
    with atomically(folder / PUBLISHED_WEIGHTS) as part:
        part.write_bytes(pickled.getvalue())
    _write_config(folder, to_published(memory.config))
    return folder


def load_adapter(folder: Path, backbone: Backbone) -> DeltaMemory:
    """Read an adapter of either format for ``backbone``, on its device, in eval mode.

    Raises:
        Unavailable: no adapter there.
        InvalidInput: another backbone, shape, rank, layer set, an unknown key, damaged files; the
            message names what does not match.
    """
    config, identity = _read_config(folder)
    memory = DeltaMemory(config, backbone.model)
    _check_backbone(folder, identity, backbone)
    return _with_weights(folder, memory)


def read_adapter(folder: Path, model: Any) -> DeltaMemory:
    """An adapter beside an architecture without weights: enough to know that it is whole.

    Args:
        folder: of either format; on which backbone it was trained is not looked at.
        model: of :func:`deltamem.backbone.empty_model`.

    Raises:
        Unavailable: no adapter there.
        InvalidInput: see :func:`load_adapter`.
    """
    return _with_weights(folder, DeltaMemory(_read_config(folder)[0], model))


def stored_config(folder: Path) -> DeltaMemConfig:
    """The configuration of an adapter, without its weights.

    Raises:
        Unavailable: no adapter there.
        InvalidInput: a configuration that cannot be read.
    """
    return _read_config(folder)[0]


def stored_origin(folder: Path) -> dict[str, str | None] | None:
    """The :attr:`Backbone.origin` of what an adapter was trained on; None where nothing says it.

    Raises:
        Unavailable: no adapter there.
        InvalidInput: a configuration that cannot be read.
    """
    identity = _read_config(folder)[1]
    return dict(identity) if isinstance(identity, Mapping) else None


def stored_sha(folder: Path) -> str:
    """The sha that :attr:`DeltaMemory.sha` has for an adapter folder, without its backbone.

    Raises:
        Unavailable: no adapter there.
        InvalidInput: damaged files.
    """
    off = {f"delta_{head}_proj" for head in "qkvo"} - {
        f"delta_{head}_proj" for head in stored_config(folder).heads
    }
    named = {parameter_name(name): w for name, w in _read_weights(folder).items()}
    return tensors_sha({name: w for name, w in named.items() if name.split(".")[-1] not in off})


def _write_config(folder: Path, keys: Mapping[str, Any]) -> None:
    text = json.dumps(keys, indent=2, ensure_ascii=False)
    with atomically(folder / CONFIG) as part:
        part.write_text(text + "\n", encoding="utf-8")


def _read_config(folder: Path) -> tuple[DeltaMemConfig, Mapping[str, Any] | None]:
    path = folder / CONFIG
    if not path.is_file():
        raise Unavailable(f"no adapter in {folder}: {CONFIG} is missing; train one or name another")
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise InvalidInput(f"{path} cannot be read as JSON: {fault}") from fault
    if not isinstance(keys, dict):
        raise InvalidInput(f"{path} holds a {type(keys).__name__}, not an object of keys")
    identity = keys.pop("backbone", None)
    try:
        return from_published(keys), identity
    except (TypeError, InvalidInput) as fault:
        raise InvalidInput(f"{path}: {fault}") from fault


def _check_backbone(folder: Path, identity: Mapping[str, Any] | None, backbone: Backbone) -> None:
    if identity is None or identity.get("fingerprint") == backbone.fingerprint:
        return
    raise InvalidInput(
        f"the adapter {folder} was trained on {identity.get('name')} (weights "
        f"{str(identity.get('fingerprint'))[:12]}), and the backbone is {backbone.name} (weights "
        f"{backbone.fingerprint[:12]})"
    )


def _with_weights(folder: Path, memory: DeltaMemory) -> DeltaMemory:
    """The weights of a folder, in eval mode; without a device yet, the memory gets the files'."""
    weights = _matched(folder, _read_weights(folder), memory)
    memory.load_state_dict(weights, assign=any(p.is_meta for p in memory.parameters()))
    memory.identity = memory.sha
    return memory.eval()


def _read_weights(folder: Path) -> dict[str, Tensor]:
    ours, theirs = folder / WEIGHTS, folder / PUBLISHED_WEIGHTS
    if not (ours.is_file() or theirs.is_file()):
        raise Unavailable(
            f"no adapter in {folder}: neither {WEIGHTS} nor {PUBLISHED_WEIGHTS} is there"
        )
    try:
        if ours.is_file():
            weights = load_file(ours)
        else:
            stored = torch.load(theirs, map_location="cpu", weights_only=True)
            # the release is in bfloat16, which float32 holds to the last bit
            weights = {name: w.float() for name, w in stored.items() if isinstance(w, Tensor)}
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        AttributeError,
    ) as fault:
        where = ours if ours.is_file() else theirs
        reason = str(fault).splitlines()[0]
        raise InvalidInput(f"{where} is damaged or not an adapter: {reason}") from fault
    broken = first_not_finite(weights)
    if broken is not None:
        raise InvalidInput(
            f"{folder} holds weights that are not finite: its training diverged; the first is "
            f"{broken}"
        )
    return weights


def _matched(folder: Path, weights: Mapping[str, Tensor], memory: DeltaMemory) -> dict[str, Tensor]:
    """The file's tensors under our names, after every name and shape was found to agree."""
    wanted = memory.state_dict()
    found = {name: weights.get(tensor_name(name)) for name in wanted}
    missing = [tensor_name(name) for name, w in found.items() if w is None]
    if missing:
        raise InvalidInput(f"{folder} lacks {len(missing)} tensors, the first is {missing[0]}")
    for name, w in found.items():
        assert w is not None
        if w.shape != wanted[name].shape:
            raise InvalidInput(
                f"{folder}: {tensor_name(name)} is {tuple(w.shape)}, this backbone and "
                f"configuration need {tuple(wanted[name].shape)}"
            )
    named = {tensor_name(name) for name in wanted}
    extra = [name for name, w in weights.items() if name not in named and bool(w.any())]
    if extra:
        raise InvalidInput(
            f"{folder} has {len(extra)} tensors that its configuration does not use, "
            f"the first is {sorted(extra)[0]}"
        )
    return {name: w for name, w in found.items() if w is not None}
