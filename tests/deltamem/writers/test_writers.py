"""What each writer writes, against sums written out by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from deltamem import DeltaMemConfig, InvalidInput
from deltamem.delta_rule import delta_rule_naive
from deltamem.layers.memory_layer import LayerMemory
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter
from deltamem.writers.segment import segment_means

EXACT = 1e-6
"""float32 against float32, other order of sums."""


def layer_with(writer: Any, **settings: Any) -> LayerMemory:
    config = DeltaMemConfig(rank=3, writer=writer, heads=("q", "o"), **settings)
    layer = LayerMemory(config, 5, outputs={"q": 6, "o": 5})
    generator = torch.Generator().manual_seed(0)
    for weight in layer.parameters():
        weight.data = torch.randn(weight.shape, generator=generator)
    return layer


def hidden(batch: int = 2, time: int = 7) -> torch.Tensor:
    return torch.randn(batch, time, 5, generator=torch.Generator().manual_seed(1))


def by_hand(layer: LayerMemory, vectors: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
    """Equations 4, 5 and 10, one vector after the other, one sub-state after the other."""
    out = []
    for n in range(state.shape[0]):
        s = state[n]
        rows = slice(3 * n, 3 * n + 3)
        for x in vectors:
            k = torch.tanh(layer.memory_k_proj[rows] @ x)
            k = k / k.norm()
            v = layer.memory_v_proj[rows] @ x
            beta = torch.sigmoid(layer.beta_proj[rows] @ x + layer.beta_bias[rows])
            s = (1 - beta)[:, None] * s + beta[:, None] * torch.outer(v - s @ k, k)
        out.append(s)
    return torch.stack(out)


@pytest.mark.parametrize("states", [1, 4])
def test_token_writes(states: int) -> None:
    writer = TokenWriter() if states == 1 else MultiStateWriter(num_states=states)
    layer, x, state = layer_with(writer), hidden(), torch.randn(2, states, 3, 3)
    result = layer(x, state, valid=None, segments=None, write=True)
    for row in range(2):
        torch.testing.assert_close(
            result.state[row], by_hand(layer, x[row], state[row]), atol=EXACT, rtol=EXACT
        )
    q = torch.nn.functional.normalize(
        torch.tanh(x @ layer.memory_q_proj.T).unflatten(-1, (states, 3)), dim=-1
    )
    wanted = torch.einsum("bnij,bnj->bni", state, q[:, 0])
    torch.testing.assert_close(result.reads[:, 0], wanted, atol=EXACT, rtol=EXACT)


def test_segment_writes_means_in_order() -> None:
    layer, x, state = layer_with(SegmentWriter()), hidden(), torch.randn(2, 1, 3, 3)
    segments = torch.tensor([[0, 0, 2, 2, 2, -1, 5], [-1, 1, 1, 1, 4, 4, 4]])
    result = layer(x, state, valid=None, segments=segments, write=True)
    for row, spans in ((0, [(0, 2), (2, 5), (6, 7)]), (1, [(1, 4), (4, 7)])):
        means = torch.stack([x[row, a:b].mean(0) for a, b in spans])
        torch.testing.assert_close(
            result.state[row], by_hand(layer, means, state[row]), atol=EXACT, rtol=EXACT
        )
    frozen = layer(x, state, valid=None, segments=None, write=False)
    assert torch.equal(result.reads, frozen.reads)


@pytest.mark.parametrize(
    "writer", [TokenWriter(), SegmentWriter(), MultiStateWriter()], ids=["tsw", "ssw", "msw"]
)
def test_padding_may_hold_anything(writer: Any) -> None:
    layer, x = layer_with(writer), hidden()
    state = torch.randn(2, writer.num_states, 3, 3)
    valid = torch.tensor([[False] * 3 + [True] * 4, [True] * 7])
    segments = torch.arange(7).expand(2, -1) // 2
    clean = layer(x, state, valid=valid, segments=segments, write=True)
    x[~valid] = torch.nan
    poisoned = layer(x, state, valid=valid, segments=segments, write=True)
    assert torch.equal(poisoned.state, clean.state)
    assert torch.equal(poisoned.reads, clean.reads)
    assert not poisoned.reads[0, :3].any()
    torch.testing.assert_close(poisoned.mean_write, clean.mean_write)


def test_segment_means_against_a_loop() -> None:
    x = hidden(3, 11)
    ids = torch.randint(-1, 4, (3, 11), generator=torch.Generator().manual_seed(4))
    means, there = segment_means(x, ids)
    names = sorted(set(ids[ids >= 0].tolist()))
    for row in range(3):
        for slot, name in enumerate(names):
            inside = ids[row] == name
            assert bool(there[row, slot]) == bool(inside.any())
            if inside.any():
                torch.testing.assert_close(means[row, slot], x[row, inside].mean(0))


@pytest.mark.parametrize(
    ("settings", "keep", "erase"),
    [
        ({"update": "standard"}, lambda b, lam: lam, lambda b, lam: b),
        ({"update": "lambda_outside"}, lambda b, lam: lam, lambda b, lam: lam * b),
        ({"update": "no_lambda"}, lambda b, lam: torch.ones_like(b), lambda b, lam: b),
    ],
    ids=lambda value: value["update"] if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("own", [False, True], ids=["tied", "own"])
def test_update_variants(
    settings: dict[str, Any], keep: Callable[..., Any], erase: Callable[..., Any], own: bool
) -> None:
    layer = layer_with(TokenWriter(), own_retention=own, **settings)
    x, state = hidden(), torch.randn(2, 1, 3, 3)
    beta = torch.sigmoid(x @ layer.beta_proj.T + layer.beta_bias)
    lam = torch.sigmoid(x @ layer.lambda_proj.T + layer.lambda_bias) if own else 1 - beta
    unit = torch.nn.functional.normalize
    _, wanted = delta_rule_naive(
        None,
        unit(torch.tanh(x @ layer.memory_k_proj.T), dim=-1)[:, :, None],
        (x @ layer.memory_v_proj.T)[:, :, None],
        keep(beta, lam)[:, :, None],
        erase(beta, lam)[:, :, None],
        beta[:, :, None],
        state,
    )
    result = layer(x, state, valid=None, segments=None, write=True)
    torch.testing.assert_close(result.state, wanted, atol=1e-5, rtol=1e-5)


def test_scalar_gates_are_one_per_state() -> None:
    layer = layer_with(MultiStateWriter(num_states=2), rowwise_gates=False)
    assert layer.beta_proj.shape == (2, 5)
    projected = layer.project(hidden())
    assert projected.write.shape == (2, 7, 2, 3)
    assert torch.equal(projected.write[..., 0], projected.write[..., 2])


def test_unknown_units_are_refused() -> None:
    with pytest.raises(InvalidInput, match="writer.unit is 'word'"):
        SegmentWriter(unit="word")
