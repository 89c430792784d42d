"""The dialect of the authors' adapter files: names of keys and tensors (mechanism, section 4).

Both our folders and theirs speak it; only the container differs (safetensors against a pickle).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from deltamem.layers.config import UPDATES, DeltaMemConfig
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter, Writer
from deltamem_base.faults import InvalidInput

__all__ = [
    "from_published",
    "parameter_name",
    "tensor_name",
    "to_published",
    "to_published_tensors",
]

REMOVED_FEATURES: dict[str, Any] = {
    "base_slice_ref_width": 8,
    "num_memory_partitions": 1,
    "num_global_memory_partitions": 0,
    "memory_partition_routing": "soft",
    "memory_partition_basis": "shared",
    "tie_memory_partition_read_write": False,
    "memory_partition_read_mode": "softmax",
    "memory_partition_sigmoid_gate_bias_init": -2.0,
    "slot_read_top_k": 0,
    "global_memory_mode": "shared_rw",
    "global_memory_read_top_k": 0,
    "global_memory_merge_mode": "gated_residual",
    "global_memory_gate_bias_init": -2.0,
    "global_memory_read_logit_bias": 0.0,
    "memory_reader_layers": [],
    "memory_reader_hidden_size": 1024,
    "memory_reader_residual_scale": 0.1,
    "memory_reader_read_only": True,
    "memory_readout_mode": "delta",
    "memory_write_source": "learned_hidden",
    "memory_write_proposals_per_message": 2,
    "synthetic_memory_slots": 1,
    "latent_memory_layers": [],
    "latent_memory_hidden_size": 1024,
    "latent_memory_residual_scale": 0.1,
    "latent_memory_slots": 4,
    "latent_memory_init_std": 0.002,
    "latent_gate_init": 0.01,
    "target_modules": ["self_attn"],
    "delta_o_rmsnorm": False,
    "delta_o_rmsnorm_eps": 1e-06,
    "trainable_delta_scale": False,
    "delta_scale_init": 1.0,
    "delta_scale_max": 2.0,
    "delta_scale_granularity": "layer",
    "delta_scale_parameterization": "alpha_over_rank",
}
"""Keys of features that no released adapter uses, with the only value that can be loaded."""

INERT_WHEN_OFF = {"delta_o_rmsnorm_eps", "base_slice_ref_width"}
"""Of these, keys that change nothing while their feature is off, so any value is accepted."""

INITS = {"base_slice_fixed": "base_slice"}
"""Their name of a start of the steering weights -> ours; others are the same."""

GRANULARITIES = ("token", "message_mean", "sentence_mean")


def from_published(keys: Mapping[str, Any]) -> DeltaMemConfig:
    """Read the keys of ``delta_mem_config.json``.

    Raises:
        InvalidInput: an unknown key, a removed feature that is switched on, or a bad value.
    """
    for key, value in keys.items():
        if key in REMOVED_FEATURES and key not in INERT_WHEN_OFF:
            if value != REMOVED_FEATURES[key]:
                raise InvalidInput(
                    f"the adapter's {key} is {value!r}; only {REMOVED_FEATURES[key]!r} can be "
                    "loaded, the feature was removed from δ-mem"
                )
        elif key not in REMOVED_FEATURES and key not in _ours(DeltaMemConfig()):
            raise InvalidInput(f"the adapter's configuration has an unknown key '{key}'")
    have = {**_ours(DeltaMemConfig()), **keys}
    if have["state_update_mode"] not in UPDATES:
        raise InvalidInput(
            f"the adapter's state_update_mode is {have['state_update_mode']!r}; "
            f"choose one of {', '.join(UPDATES)}"
        )
    return DeltaMemConfig(
        rank=have["rank"],
        alpha=have["alpha"],
        writer=_writer(have["memory_write_granularity"], have["num_state_heads"]),
        heads=tuple(have["delta_heads"]),
        layers=tuple(have["target_layers"]) or None,
        beta_bias_init=have["beta_bias_init"],
        own_retention=not have["couple_lambda"],
        update=have["state_update_mode"],
        rowwise_gates=have["rankwise_gates"],
        normalize_qk=have["normalize_qk"],
        init=INITS.get(have["output_init"], str(have["output_init"])),
        init_gain=have["online_gain"],
    )


def to_published(config: DeltaMemConfig) -> dict[str, Any]:
    """All keys of ``delta_mem_config.json``, in the authors' words."""
    return {**_ours(config), **REMOVED_FEATURES}


def _ours(config: DeltaMemConfig) -> dict[str, Any]:
    return {
        "rank": config.rank,
        "alpha": config.alpha,
        "beta_bias_init": config.beta_bias_init,
        "normalize_qk": config.normalize_qk,
        "couple_lambda": not config.own_retention,
        "state_update_mode": config.update,
        "rankwise_gates": config.rowwise_gates,
        "output_init": {ours: theirs for theirs, ours in INITS.items()}.get(
            config.init, config.init
        ),
        "online_gain": config.init_gain,
        "num_state_heads": config.writer.num_states,
        "memory_write_granularity": config.writer.granularity,
        "target_layers": list(config.layers or []),
        "delta_heads": list(config.heads),
    }


def _writer(granularity: str, num_states: int) -> Writer:
    if granularity not in GRANULARITIES:
        raise InvalidInput(
            f"the adapter's memory_write_granularity is {granularity!r}; "
            f"choose one of {', '.join(GRANULARITIES)}"
        )
    unit = granularity.removesuffix("_mean")
    if unit != granularity:
        return SegmentWriter(unit=unit, num_states=num_states)
    return MultiStateWriter(num_states=num_states) if num_states > 1 else TokenWriter()


def tensor_name(parameter: str) -> str:
    """``layers.3.beta_bias`` -> ``model.layers.3.self_attn.beta_bias``."""
    _, index, weight = parameter.split(".")
    return f"model.layers.{index}.self_attn.{weight}"


def parameter_name(tensor: str) -> str:
    """The inverse of :func:`tensor_name`."""
    _, _, index, _, weight = tensor.split(".")
    return f"layers.{index}.{weight}"


def to_published_tensors(
    weights: Mapping[str, Tensor], outputs: Mapping[int, Mapping[str, int]]
) -> dict[str, Tensor]:
    """Weights under the authors' names, with zeros for heads that are off.

    ``outputs``: layer index -> head -> width of that projection's output, for all of q, k, v, o.
    """
    named = {tensor_name(name): w.detach().cpu() for name, w in weights.items()}
    for index, widths in outputs.items():
        width = named[f"model.layers.{index}.self_attn.memory_q_proj"].shape[0]
        for head, size in widths.items():
            name = f"model.layers.{index}.self_attn.delta_{head}_proj"
            named.setdefault(name, torch.zeros(size, width))
    return named
