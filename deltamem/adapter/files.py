"""Adapter folders: ours (safetensors and a model card) and the authors' (read; written on request).

delta_mem_config.json           the authors' keys; ours adds three (stored_config.py)
delta_mem_adapter.safetensors   ours            delta_mem_adapter.pt   the authors'
README.md                       the model card, ours only
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from deltamem.adapter.authors_format import (
    AuthorsKeys,
    authors_keys,
    authors_tensors,
    parameter_name,
    tensor_name,
)
from deltamem.adapter.card import model_card
from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.adapter.stored_config import CONFIG, Origin, config_keys, read_stored
from deltamem.backbone import Backbone
from deltamem.backbone.digest import tensors_sha
from deltamem.backbone.generation.finite import first_not_finite
from deltamem.layers.config import DeltaMemConfig
from deltamem.writers import Writer
from deltamem.writers.stored import stored_writer
from deltamem_base.faults import InvalidInput, Unavailable, first_line
from deltamem_base.whole_files import write_bytes, write_json, write_text

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
    "stores_writer",
]

WEIGHTS = "delta_mem_adapter.safetensors"
CARD = "README.md"
FORMAT = (CONFIG, WEIGHTS, CARD)
"""All that a folder of ours holds."""
PUBLISHED_WEIGHTS = "delta_mem_adapter.pt"
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""Dtypes of stored weights; all fit in float32, which weights are loaded in."""


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
    write_bytes(folder / WEIGHTS, save(weights, metadata={"format": "pt"}))
    write_json(folder / CONFIG, {**config_keys(memory.config), "backbone": backbone.origin})
    write_text(folder / CARD, model_card(memory, backbone, facts=card or {}))
    return folder


def save_published_adapter(memory: DeltaMemory, folder: Path, *, backbone: Backbone) -> Path:
    """Write ``folder`` as the authors' scripts read it: their configuration and a ``.pt`` file.

    The dtype of the state is no part of their format.

    Raises:
        InvalidInput: their format has no words for the adapter's writer.
        CannotWrite: the folder cannot be written.
    """
    writer, keys = memory.config.writer, authors_keys(memory.config)
    like = AuthorsKeys(
        memory_write_granularity=keys["memory_write_granularity"],
        num_state_heads=keys["num_state_heads"],
    )
    if like.published_writer != writer:
        raise InvalidInput(
            f"the authors' format has no words for the writer '{writer.name}', {writer!r}; it "
            "would come back as another"
        )
    outputs = {
        index: {h: getattr(attention, f"{h}_proj").out_features for h in "qkvo"}
        for index, attention in memory.attentions(backbone.model)
    }
    pickled = BytesIO()  # torch says of a full disk that a RuntimeError occurred
    torch.save(authors_tensors(memory.state_dict(), outputs), pickled)
    write_bytes(folder / PUBLISHED_WEIGHTS, pickled.getvalue())
    write_json(folder / CONFIG, keys)
    return folder


def load_adapter(folder: Path, backbone: Backbone) -> DeltaMemory:
    """Read an adapter of either format for ``backbone``, on its device, in eval mode.

    Raises:
        Unavailable: no adapter there.
        InvalidInput: another backbone, shape, rank, layer set, an unknown key, damaged files; the
            message names what does not match.
    """
    stored = read_stored(folder)
    memory = DeltaMemory(stored.config, backbone.model, device="meta")
    _check_backbone(folder, stored.origin, backbone)
    memory = _with_weights(folder, memory)
    return memory.beside(backbone.model)


def read_adapter(folder: Path, model: Any) -> DeltaMemory:
    """An adapter beside an architecture without weights: enough to know that it is whole.

    Args:
        folder: of either format; on which backbone it was trained is not looked at.
        model: of :func:`deltamem.backbone.empty_model`.

    Raises:
        Unavailable: no adapter there.
        InvalidInput: see :func:`load_adapter`.
    """
    return _with_weights(folder, DeltaMemory(read_stored(folder).config, model, device="meta"))


def stored_config(folder: Path) -> DeltaMemConfig:
    """The configuration of an adapter, without its weights.

    Raises:
        Unavailable: no adapter there.
        InvalidInput, InvalidData: a configuration that cannot be read.
    """
    return read_stored(folder).config


def stores_writer(folder: Path, writer: Writer) -> bool:
    """Whether an adapter was trained with a writer; its own one need not be on this machine.

    Raises:
        Unavailable: no adapter there.
        InvalidInput, InvalidData: a configuration that cannot be read.
    """
    return read_stored(folder).writer == stored_writer(writer)


def stored_origin(folder: Path) -> dict[str, str | None] | None:
    """The :attr:`Backbone.origin` of what an adapter was trained on; None where nothing says it.

    Raises:
        Unavailable: no adapter there.
        InvalidInput, InvalidData: a configuration that cannot be read.
    """
    origin = read_stored(folder).origin
    return None if origin is None else asdict(origin)


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


def _check_backbone(folder: Path, origin: Origin | None, backbone: Backbone) -> None:
    if origin is None or origin.fingerprint == backbone.fingerprint:
        return
    raise InvalidInput(
        f"the adapter {folder} was trained on {origin.name} (weights "
        f"{str(origin.fingerprint)[:12]}), and the backbone is {backbone.name} (weights "
        f"{backbone.fingerprint[:12]})"
    )


def _with_weights(folder: Path, memory: DeltaMemory) -> DeltaMemory:
    """A memory without a device, with the weights of a folder, on the CPU and in eval mode."""
    memory.load_state_dict(_matched(folder, _read_weights(folder), memory), assign=True)
    memory.identity = memory.sha
    return memory.eval()


def _read_weights(folder: Path) -> dict[str, Tensor]:
    ours, theirs = folder / WEIGHTS, folder / PUBLISHED_WEIGHTS
    if not (ours.is_file() or theirs.is_file()):
        raise Unavailable(
            f"no adapter in {folder}: neither {WEIGHTS} nor {PUBLISHED_WEIGHTS} is there"
        )
    where = ours if ours.is_file() else theirs
    try:
        stored = (
            load_file(ours)
            if ours.is_file()
            else torch.load(theirs, map_location="cpu", weights_only=True)
        )
        weights = {name: _dense(name, w) for name, w in stored.items() if isinstance(w, Tensor)}
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        AttributeError,
        OSError,
        ValueError,
    ) as fault:
        reason = first_line(fault)
        raise InvalidInput(f"{where} is damaged or not an adapter: {reason}") from fault
    broken = first_not_finite(weights)
    if broken is not None:
        raise InvalidInput(
            f"{folder} holds weights that are not finite: its training diverged; the first is "
            f"{broken}"
        )
    return weights


def _dense(name: Any, weight: Tensor) -> Tensor:
    """A weight in float32, which holds the release's bfloat16 to the last bit."""
    plain = weight.layout is torch.strided and not (weight.is_quantized or weight.is_meta)
    if not plain or weight.dtype not in DTYPES or not isinstance(name, str):
        raise InvalidInput(
            f"{name} is a {str(weight.dtype).removeprefix('torch.')} tensor on {weight.device}, "
            f"{weight.layout}; weights are dense numbers of {', '.join(map(str, DTYPES))}"
        )
    return weight.float()


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
