"""Layers, single tokens, and how far a step is from the layer's own forward."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from deltamem import DeltaMemConfig
from deltamem.delta_rule.single_token import SingleStep
from deltamem.layers.memory_layer import LayerMemory
from deltamem.writers import MultiStateWriter

SAME = 2e-6
"""float32 against float32, other order of sums over 40 numbers; relative to 1 + what is wanted."""
HIDDEN, OUT = 40, {"q": 24, "k": 12, "v": 12, "o": 40}
SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"writer": MultiStateWriter(num_states=4)},
    {"writer": MultiStateWriter(num_states=3), "rank": 4, "rowwise_gates": False},
    {"heads": ("q", "k", "v", "o"), "rank": 5},
    {"heads": ("v",)},
    {"own_retention": True},
    {"own_retention": True, "update": "lambda_outside"},
    {"update": "no_lambda"},
    {"normalize_qk": False},
)


def layer_of(**settings: Any) -> LayerMemory:
    config = DeltaMemConfig(**settings)
    layer = LayerMemory(config, HIDDEN, outputs={h: OUT[h] for h in config.heads})
    generator = torch.Generator().manual_seed(0)
    for weight in layer.parameters():
        weight.data = torch.randn(weight.shape, generator=generator) / 4
    return layer


def token_and_state(layer: LayerMemory, *, batch: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(batch)
    states, rank = layer.config.writer.num_states, layer.config.rank
    hidden = torch.randn(batch, 1, HIDDEN, generator=generator)
    return hidden, torch.randn(batch, states, rank, rank, generator=generator)


@torch.no_grad()
def difference(
    step: SingleStep,
    layer: LayerMemory,
    *,
    batch: int,
    write: bool,
    padded: bool = False,
    device: str = "cpu",
) -> float:
    """The largest one; with ``padded`` every other row from the first on is none, and holds NaN."""
    hidden, state = (x.to(device) for x in token_and_state(layer, batch=batch))
    valid = None
    if padded:
        valid = (torch.arange(batch, device=device) % 2 == 1)[:, None]
        hidden[~valid] = torch.nan
    before = state.clone()
    after, corrections = step(hidden, state, valid=valid, write=write)
    wanted = layer(hidden, state, valid=valid, segments=None, write=write)
    assert torch.equal(state, before)
    assert list(corrections) == list(layer.config.heads)
    scaled = layer.scaled(wanted.reads)
    pairs = [(corrections[head], layer.steer(head, scaled)) for head in corrections]
    pairs.append((after, wanted.state))
    if valid is not None:
        assert torch.equal(after[~valid[:, 0]], before[~valid[:, 0]])
        assert not any(got[~valid].any() for got in corrections.values())
    assert all(got.shape == want.shape and got.dtype == want.dtype for got, want in pairs)
    return max(float(((got - want).abs() / (1 + want.abs())).max()) for got, want in pairs)
