"""A backbone's shapes without its weights: parameter counts need no download of gigabytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from deltamem.backbone.loading import load_config

__all__ = ["empty_model"]


def empty_model(
    id: str, *, revision: str | None = None, architecture: Mapping[str, Any] | None = None
) -> Any:
    """The model of a hub id or folder on the meta device.

    Args:
        id: hub id or folder.
        revision: commit of the hub repository.
        architecture: ``of``, a hub id, with the settings that decide its shapes: with them that id
            needs neither network nor cache.

    Raises:
        Unavailable: the configuration is not here and cannot be fetched.
        InvalidInput: a folder without one.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    known = dict(architecture or {})
    if known.pop("of", None) == id:
        config = AutoConfig.for_model(**known)
    else:
        config = load_config(id, revision=revision)
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)
