"""Backbones of random weights, in the sizes that the figures name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from deltamem.backbone import Backbone

__all__ = ["SMOLLM2_135M", "named_backbone", "random_backbone", "random_model"]

SMOLLM2_135M = {
    "vocab_size": 49_152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "head_dim": 64,
    "tie_word_embeddings": True,
    "max_position_embeddings": 8192,
}
"""A Llama."""


def named_backbone(name: str) -> Backbone:
    """The backbone of ``model=NAME`` in its own numbers.

    Raises:
        Unavailable: it is not on this machine.
    """
    from deltamem_cli.runs.requests import BackboneRequest
    from deltamem_cli.settings.compose import compose_each

    (composed,) = compose_each("eval", [[f"model={name}", "runtime.device=cpu"]])
    return BackboneRequest.of(composed).load()


def random_backbone(*, layers: int, width: int, window: int = 32_768) -> Backbone:
    """A Qwen3 of random weights behind the embedded tokenizer; heads of 64."""
    from deltamem import load_tiny

    embedded = load_tiny()
    heads = width // 64
    architecture = {
        "vocab_size": embedded.model.config.vocab_size,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": max(1, heads // 3),
        "head_dim": 64,
        "max_position_embeddings": window,
    }
    model = random_model(architecture)
    model.generation_config = embedded.model.generation_config
    return replace(embedded, model=model, window=window, name=f"random Qwen3 {layers}x{width}")


def random_model(
    architecture: Mapping[str, object],
    *,
    kind: str = "qwen3",
    device: str = "cpu",
    dtype: torch.dtype | None = None,
) -> PreTrainedModel:
    """Random weights, made where they stay; ``dtype``: float32 when None."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(kind, **architecture)
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(
            config, dtype=dtype or torch.float32, trust_remote_code=False
        )
    made: PreTrainedModel = model.eval().requires_grad_(False)
    return made
