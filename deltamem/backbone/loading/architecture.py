"""A backbone's shapes without its weights, and the layers that memories and branches go to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from deltamem.backbone.loading.pretrained import load_config
from deltamem_base.faults import InvalidInput, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["decoder_layers", "embedding_weight", "empty_model"]


def empty_model(
    id: str, *, revision: str | None = None, architecture: Mapping[str, Any] | None = None
) -> PreTrainedModel:
    """The model of a hub id or folder on the meta device.

    Args:
        id: hub id or folder.
        revision: commit of the hub repository.
        architecture: ``of``, a hub id, with the settings that decide its shapes: with them that id
            needs neither network nor cache.

    Raises:
        Unavailable: the configuration is not here and cannot be fetched.
        InvalidInput: a folder without one, or with one of which no model can be made.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    known = dict(architecture or {})
    if known.pop("of", None) == id:
        config = AutoConfig.for_model(**known)
    else:
        config = load_config(id, revision=revision)
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except Exception as fault:  # of all kinds: transformers takes a configuration as it comes
        raise InvalidInput(
            f"no model can be built from the configuration of {id}: {first_line(fault)}"
        ) from fault


def embedding_weight(model: PreTrainedModel) -> Tensor:
    """The table of a model's input embeddings; token ids go where it lies."""
    weight = model.get_input_embeddings().weight
    assert isinstance(weight, Tensor)
    return weight


def decoder_layers(model: PreTrainedModel) -> Any:
    """The decoder layers of a causal language model, in their order.

    Raises:
        InvalidInput: the architecture has no list of them, so that nothing can go beside them.
    """
    decoder = model.get_decoder()
    layers = getattr(decoder, "layers", None)
    if layers is None:
        raise InvalidInput(
            f"{type(decoder).__name__} has no list of decoder layers with separate "
            "q_proj, k_proj, v_proj and o_proj: no memory can be attached to this "
            "architecture; use method=frozen or another backbone"
        )
    return layers
