"""Small GGUF files of real models, written as llama.cpp's own converter writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

NAME = "model.gguf"
PARTS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.qkv_proj": "attn_qkv",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
"""transformers' names -> llama.cpp's; those of a layer without what is around them."""
CONTROL, NORMAL = 3, 1


def write_gguf(
    path: Path,
    model: Any,
    tokenizer: Any,
    *,
    rule: str | None = "gpt-2",
    quantised: bool = False,
    scaled: str | None = None,
    architecture: str | None = None,
) -> Path:
    """Write a model with its byte-level tokenizer; ``quantised`` brings its matrices to Q4_1."""
    from gguf import GGUFWriter

    config = model.config
    writer = GGUFWriter(str(path), architecture or config.model_type)
    writer.add_name("small")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    if scaled is not None:
        writer.add_string(f"{config.model_type}.rope.scaling.type", scaled)
    _add_tokenizer(writer, tokenizer, rule)
    for name, tensor in _weights(model).items():
        _add_tensor(writer, name, tensor, quantised=quantised and tensor.ndim == 2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: Any, tokenizer: Any, rule: str | None) -> None:
    described = json.loads(tokenizer.backend_tokenizer.to_str())
    tokens = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    special = {token["content"] for token in described["added_tokens"]}
    writer.add_tokenizer_model("gpt2")
    if rule is not None:
        writer.add_tokenizer_pre(rule)
    writer.add_token_list(tokens)
    writer.add_token_types([CONTROL if token in special else NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in described["model"]["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    writer.add_add_bos_token(False)
    writer.add_chat_template(tokenizer.chat_template)


def _weights(model: Any) -> dict[str, np.ndarray]:
    """All weights under llama.cpp's names, a tied output layer left out."""
    found = {}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        values = tensor.detach().float().numpy()
        if name.startswith("model.layers."):
            number, _, part = name.removeprefix("model.layers.").partition(".")
            part = PARTS[part.removesuffix(".weight")]
            if model.config.model_type == "llama" and part in ("attn_q", "attn_k"):
                values = _by_pairs(values, model.config, keys=part == "attn_k")
            found[f"blk.{number}.{part}.weight"] = values
        else:
            found[PARTS[name]] = values
    return found


def _by_pairs(values: np.ndarray, config: Any, *, keys: bool) -> np.ndarray:
    """Rows in the order in which llama.cpp rotates those of a Llama: by pairs of neighbours."""
    heads = config.num_key_value_heads if keys else config.num_attention_heads
    halves = values.reshape(heads, 2, -1, values.shape[1])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))


def _add_tensor(writer: Any, name: str, values: np.ndarray, *, quantised: bool) -> None:
    from gguf import GGMLQuantizationType
    from gguf.quants import quantize

    if not quantised:
        writer.add_tensor(name, values)
        return
    kind = GGMLQuantizationType.Q4_1
    writer.add_tensor(name, quantize(values, kind), raw_dtype=kind)
