"""Adapter folders: ours (safetensors and a model card) and the authors' (read; written on request).

delta_mem_config.json           the authors' keys; ours adds three (stored_config.py)
delta_mem_adapter.safetensors   ours            delta_mem_adapter.pt   the authors'
README.md                       the model card, ours only
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from io import BytesIO
from pathlib import Path

import torch
from safetensors.torch import save

from deltamem.adapter.authors_format import (
    AuthorsKeys,
    authors_keys,
    authors_tensors,
    tensor_name,
)
from deltamem.adapter.card import model_card
from deltamem.adapter.stored_config import CONFIG, config_keys, read_stored
from deltamem.adapter.weights import PUBLISHED_WEIGHTS, WEIGHTS
from deltamem.backbone import Backbone
from deltamem.layers.config import DeltaMemConfig
from deltamem.layers.memory_layers import MemoryLayers
from deltamem.writers import Writer
from deltamem.writers.stored import stored_writer
from deltamem_base.faults import InvalidInput
from deltamem_base.whole_files import write_bytes, write_json, write_text

__all__ = [
    "CARD",
    "CONFIG",
    "FORMAT",
    "save_adapter",
    "save_published_adapter",
    "stored_config",
    "stored_origin",
    "stores_writer",
]

CARD = "README.md"
FORMAT = (CONFIG, WEIGHTS, CARD)
"""All that a folder of ours holds."""


def save_adapter(
    memory: MemoryLayers,
    folder: Path,
    *,
    backbone: Backbone,
    card: Mapping[str, object] | None = None,
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


def save_published_adapter(memory: MemoryLayers, folder: Path, *, backbone: Backbone) -> Path:
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
            f"the authors' format cannot hold the writer '{writer.name}', {writer!r}: "
            "it would load as another one; save the adapter in deltamem's own format"
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
