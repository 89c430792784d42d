"""The dialect of the authors' adapter files: names of keys and tensors (mechanism, section 4).

Both our folders and theirs speak it; only the container differs (safetensors against a pickle).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import torch
from annotated_types import Ge, Interval, MinLen
from torch import Tensor

from deltamem.layers.config import HEADS, MOST_RANK, UPDATES, DeltaMemConfig
from deltamem.layers.config import INITS as STARTS
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter, Writer
from deltamem.writers.writer import MOST_STATES
from deltamem_base.faults import InvalidInput, check_choice

__all__ = [
    "AuthorsKeys",
    "authors_keys",
    "authors_tensors",
    "parameter_name",
    "tensor_name",
    "without_removed",
]

REMOVED_FEATURES: dict[str, object] = {
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
"""Removed keys that change nothing while their feature is off, so that any value is accepted."""

INITS = {"base_slice_fixed": "base_slice"}
"""The authors' name of a start of the steering weights -> ours, where the two differ."""

TENSOR = re.compile(r"model\.layers\.(?P<index>[0-9]+)\.self_attn\.(?P<weight>[a-z_]+)")
GRANULARITIES = ("token", "message_mean", "sentence_mean")


@dataclass(frozen=True, kw_only=True)
class AuthorsKeys:
    """The authors' keys that mean something, as ``delta_mem_config.json`` holds them."""

    rank: Annotated[int, Interval(ge=1, le=MOST_RANK)] = 8
    alpha: Annotated[float, Ge(0)] = 16.0
    beta_bias_init: float = -1.5
    normalize_qk: bool = True
    couple_lambda: bool = True
    """λ = 1 - β; False: λ has weights of its own."""
    state_update_mode: str = "standard"
    rankwise_gates: bool = True
    """One gate per row of S."""
    output_init: str = "base_slice_fixed"
    online_gain: Annotated[float, Ge(0)] = 0.05
    num_state_heads: Annotated[int, Interval(ge=1, le=MOST_STATES)] = 1
    """Number of sub-states."""
    memory_write_granularity: str = "token"
    target_layers: tuple[Annotated[int, Ge(0)], ...] = ()
    """Indices of the layers with a memory; empty: all."""
    delta_heads: Annotated[tuple[str, ...], MinLen(1)] = ("q", "o")

    @property
    def published_writer(self) -> Writer:
        """The writer of the paper that these keys stand for.

        Raises:
            InvalidInput: a unit that the authors' format does not have.
        """
        granularity, states = self.memory_write_granularity, self.num_state_heads
        check_choice("memory_write_granularity", granularity, GRANULARITIES)
        unit = granularity.removesuffix("_mean")
        if unit != granularity:
            return SegmentWriter(unit=unit, num_states=states)
        return MultiStateWriter(num_states=states) if states > 1 else TokenWriter()

    def config(self, *, writer: Writer, state_dtype: str) -> DeltaMemConfig:
        """The configuration that these keys stand for, with what they have no words for.

        Raises:
            InvalidInput: a value that is not among the choices.
        """
        check_choice("state_update_mode", self.state_update_mode, UPDATES)
        init = INITS.get(self.output_init, self.output_init)
        check_choice("output_init", init, STARTS)
        for head in self.delta_heads:
            check_choice("delta_heads", head, HEADS)
        return DeltaMemConfig(
            rank=self.rank,
            alpha=self.alpha,
            writer=writer,
            heads=self.delta_heads,
            layers=self.target_layers or None,
            beta_bias_init=self.beta_bias_init,
            own_retention=not self.couple_lambda,
            update=self.state_update_mode,
            rowwise_gates=self.rankwise_gates,
            normalize_qk=self.normalize_qk,
            init=init,
            init_gain=self.online_gain,
            state_dtype=state_dtype,
        )


def without_removed(keys: Mapping[str, object]) -> dict[str, object]:
    """The keys of a file without those of features that were removed from δ-mem.

    Raises:
        InvalidInput: such a feature is switched on.
    """
    for key, only in REMOVED_FEATURES.items():
        value = keys.get(key, only)
        same = value == only and isinstance(value, bool) == isinstance(only, bool)
        if not same and key not in INERT_WHEN_OFF:
            raise InvalidInput(
                f"{key} is {value!r}; only {only!r} can be loaded, because the feature was "
                "removed from δ-mem"
            )
    return {key: value for key, value in keys.items() if key not in REMOVED_FEATURES}


def authors_keys(config: DeltaMemConfig) -> dict[str, Any]:
    """All keys of ``delta_mem_config.json`` in the authors' words.

    What they have no words for is not among them: the class of a writer, the dtype of the state.
    """
    assert not isinstance(config.layers, str), "an adapter's layers are numbers"
    theirs = {ours: name for name, ours in INITS.items()}
    keys = AuthorsKeys(
        rank=config.rank,
        alpha=config.alpha,
        beta_bias_init=config.beta_bias_init,
        normalize_qk=config.normalize_qk,
        couple_lambda=not config.own_retention,
        state_update_mode=config.update,
        rankwise_gates=config.rowwise_gates,
        output_init=theirs.get(config.init, config.init),
        online_gain=config.init_gain,
        num_state_heads=config.writer.num_states,
        memory_write_granularity=config.writer.granularity,
        target_layers=tuple(config.layers or ()),
        delta_heads=tuple(config.heads),
    )
    return {**asdict(keys), **REMOVED_FEATURES}


def tensor_name(parameter: str) -> str:
    """``layers.3.beta_bias`` -> ``model.layers.3.self_attn.beta_bias``."""
    _, index, weight = parameter.split(".")
    return f"model.layers.{index}.self_attn.{weight}"


def parameter_name(tensor: str) -> str:
    """The inverse of :func:`tensor_name`.

    Raises:
        InvalidInput: no weight of an adapter has that name.
    """
    found = TENSOR.fullmatch(tensor)
    if found is None:
        raise InvalidInput(
            f"{tensor[:60]!r} is not the name of an adapter's weight; these are named "
            "like model.layers.3.self_attn.beta_bias"
        )
    return f"layers.{found['index']}.{found['weight']}"


def authors_tensors(
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
