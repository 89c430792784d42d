"""Tiny random models of the families that δ-mem has to work on."""

from __future__ import annotations

from typing import Any

import torch

from deltamem_cli.speed.decode.cuda import QWEN3_4B

FAMILIES = ("qwen3", "smollm3", "llama", "gemma3", "mistral")


def random_model(family: str, *, attention: str = "sdpa", seed: int = 0, **changes: Any) -> Any:
    """A tiny random model of a family, weights large enough that attention is not uniform."""
    import transformers

    kinds = {
        "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", {"head_dim": 16}),
        "smollm3": ("SmolLM3Config", "SmolLM3ForCausalLM", {"no_rope_layers": [1, 0]}),
        "llama": ("LlamaConfig", "LlamaForCausalLM", {}),
        "gemma3": ("Gemma3TextConfig", "Gemma3ForCausalLM", {"head_dim": 16, "sliding_window": 8}),
        "mistral": ("MistralConfig", "MistralForCausalLM", {"head_dim": 16}),
    }
    config_name, model_name, own = kinds[family]
    settings = {
        "vocab_size": 96,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 512,
        "initializer_range": 0.2,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        **own,
        **changes,
    }
    torch.manual_seed(seed)
    config = getattr(transformers, config_name)(attn_implementation=attention, **settings)
    return getattr(transformers, model_name)(config).eval().requires_grad_(False)


MINIATURE = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "initializer_range": 1.0,
}
"""A Qwen3 whose greedy tokens differ."""


def qwen3_4b() -> Any:
    """The paper's main backbone on the meta device: shapes without weights."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    with torch.device("meta"):
        return Qwen3ForCausalLM(Qwen3Config(**QWEN3_4B))
