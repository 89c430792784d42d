"""Activation checkpointing of a frozen backbone: less memory for one more forward."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["checkpoint_activations"]


def checkpoint_activations(model: PreTrainedModel) -> None:
    """Make each layer's activations again in the backward pass.

    What is attached to the model has to be attached still when that pass runs. Transformers
    checkpoints a model in training mode only; its dropout is therefore set to 0 first.
    """
    modules: Iterable[Any] = model.modules()
    for module in modules:
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        elif getattr(module, "attention_dropout", 0.0):
            module.attention_dropout = 0.0
    model.train()
    model.activation_checkpointing_enable({"use_reentrant": False})
