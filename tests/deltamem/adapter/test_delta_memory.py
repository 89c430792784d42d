"""Parameters of an adapter: how many, how they start, and whose they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from random_models import qwen3_4b

from deltamem import DeltaMemConfig, DeltaMemory, InvalidInput
from deltamem.writers import MultiStateWriter


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [({}, 4_866_336), ({"writer": MultiStateWriter()}, 19_465_344)],
    ids=["tsw", "msw"],
)
def test_parameters_on_qwen3_4b(settings: dict[str, Any], parameters: int) -> None:
    """Counts at the shape of Qwen3-4B, by construction on the meta device."""
    memory = DeltaMemory(DeltaMemConfig(**settings), qwen3_4b())
    assert memory.trained_parameters == parameters
    assert memory.zeros(1).layers[35].shape == (1, memory.config.writer.num_states, 8, 8)


def test_start_values(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    memory = DeltaMemory(DeltaMemConfig(), model).initialise(model, seed=3)
    layer, attention = memory.layer(1), model.model.layers[1].self_attn
    assert not layer.beta_proj.any()
    assert torch.all(layer.beta_bias == -1.5)
    assert float(layer.memory_q_proj.detach().abs().max()) <= (1 / 32) ** 0.5
    base = attention.o_proj.weight[:, :8]
    torch.testing.assert_close(layer.delta_o_proj.detach(), 0.05 * base / base.norm(dim=0))
    own = DeltaMemory(DeltaMemConfig(own_retention=True), model).initialise(model, seed=3)
    assert torch.all(own.layer(0).lambda_bias == 1.5)


def test_start_is_a_function_of_the_seed(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")

    def sha(seed: int) -> str:
        return DeltaMemory(DeltaMemConfig(init="random"), model).initialise(model, seed=seed).sha

    assert sha(1) == sha(1) != sha(2)


def test_unknown_start_is_refused(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    with pytest.raises(InvalidInput, match="init is 'ones'; choose one of base_slice"):
        DeltaMemory(DeltaMemConfig(init="ones"), model).initialise(model, seed=0)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"heads": ("x",)}, "heads is 'x'; choose one of q, k, v, o"),
        ({"heads": ()}, r"heads is \(\); it must be 1 or more values"),
        ({"rank": 0}, "rank is 0"),
        ({"update": "plain"}, "update is 'plain'"),
        ({"state_dtype": "int8"}, "state_dtype is 'int8'"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence.replace("'", "'")):
        DeltaMemConfig(**settings)


def test_state_operations(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    memory = DeltaMemory(DeltaMemConfig(rank=2), model)
    state = memory.zeros(3).map(torch.randn_like)
    assert torch.equal(state.select([2, 0]).layers[0], state.layers[0][[2, 0]])
    assert torch.equal(state.repeat(2).layers[1][1], state.layers[1][0])
    replaced = state.put([1], memory.zeros(1))
    assert not replaced.layers[0][1].any()
    assert torch.equal(replaced.layers[0][0], state.layers[0][0])
    shuffled = state.shuffled(0)
    assert torch.equal(
        shuffled.layers[0].flatten(1).sort().values, state.layers[0].flatten(1).sort().values
    )
    assert not torch.equal(shuffled.layers[0], state.layers[0])
    assert torch.equal(state.shuffled(0).layers[1], shuffled.layers[1])
    assert state.nbytes == 2 * 4 * 4
    state.clone().layers[0].zero_()
    assert state.layers[0].any()
