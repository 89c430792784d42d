"""Backbones of random weights, in the sizes that the figures name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

__all__ = ["random_backbone", "random_model"]


def random_backbone(*, layers: int, width: int, window: int = 32_768) -> Any:
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


def random_model(architecture: Mapping[str, Any], *, device: str = "cpu", dtype: Any = None) -> Any:
    """A Qwen3 of random weights, made where it stays; ``dtype``: float32 when None."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model("qwen3", **architecture)
    with torch.random.fork_rng(), torch.device(device):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(
            config, dtype=dtype or torch.float32, trust_remote_code=False
        )
    return model.eval().requires_grad_(False)
