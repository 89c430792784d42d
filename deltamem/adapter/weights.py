"""The weights of an adapter folder of either format, read strictly: dense, finite, all there."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from deltamem.adapter.authors_format import parameter_name, tensor_name
from deltamem.adapter.stored_config import read_stored
from deltamem.backbone.digest import tensors_sha
from deltamem.backbone.generation.finite import first_not_finite
from deltamem.layers.memory_layers import MemoryLayers
from deltamem_base.faults import InvalidInput, Unavailable, first_line

__all__ = ["PUBLISHED_WEIGHTS", "WEIGHTS", "stored_sha", "take_weights"]

WEIGHTS = "delta_mem_adapter.safetensors"
PUBLISHED_WEIGHTS = "delta_mem_adapter.pt"
DTYPES = (torch.float32, torch.bfloat16, torch.float16)
"""Dtypes of stored weights; all fit in float32, which weights are loaded in."""


def take_weights(memory: MemoryLayers, folder: Path) -> None:
    """Give a memory on the meta device the weights of a folder, on the CPU and in eval mode.

    Raises:
        Unavailable: no adapter there.
        InvalidInput: damaged files, or tensors that are not those of the memory; the message names
            the first.
    """
    memory.load_state_dict(_matched(folder, _read_weights(folder), memory), assign=True)
    memory.identity = memory.sha
    memory.eval()


def stored_sha(folder: Path) -> str:
    """The sha that :attr:`DeltaMemory.sha` has for an adapter folder, without its backbone.

    Raises:
        Unavailable: no adapter there.
        InvalidInput: damaged files.
    """
    off = {f"delta_{head}_proj" for head in "qkvo"} - {
        f"delta_{head}_proj" for head in read_stored(folder).config.heads
    }
    named = {parameter_name(name): w for name, w in _read_weights(folder).items()}
    return tensors_sha({name: w for name, w in named.items() if name.split(".")[-1] not in off})


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


def _dense(name: object, weight: Tensor) -> Tensor:
    """A weight in float32, which holds the release's bfloat16 to the last bit."""
    plain = weight.layout is torch.strided and not (weight.is_quantized or weight.is_meta)
    if not plain or weight.dtype not in DTYPES or not isinstance(name, str):
        raise InvalidInput(
            f"{name} is a {str(weight.dtype).removeprefix('torch.')} tensor on "
            f"{weight.device}, {weight.layout}; an adapter's weights are dense tensors "
            f"of {', '.join(map(str, DTYPES))}"
        )
    return weight.float()


def _matched(
    folder: Path, weights: Mapping[str, Tensor], memory: MemoryLayers
) -> dict[str, Tensor]:
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
