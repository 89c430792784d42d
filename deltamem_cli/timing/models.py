"""Backbones of random weights, in the sizes that the figures name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

__all__ = ["random_backbone"]


def random_backbone(*, layers: int, width: int, window: int = 32_768) -> Any:
    """A Qwen3 of random weights behind the embedded tokenizer; heads of 64."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from deltamem import load_tiny

    embedded = load_tiny()
    heads = width // 64
    config = Qwen3Config(
        vocab_size=embedded.model.config.vocab_size,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=max(1, heads // 3),
        head_dim=64,
        max_position_embeddings=window,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Qwen3ForCausalLM(config).eval().requires_grad_(False)
    model.generation_config = embedded.model.generation_config
    return replace(embedded, model=model, window=window, name=f"random Qwen3 {layers}x{width}")
