"""A single token in one compiled call equals the layer's own forward, whatever the settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from deltamem import DeltaMemConfig
from deltamem.compiled_step import CompiledStep
from deltamem.delta_rule import VARIABLE
from deltamem.delta_rule.compiling import compiler
from deltamem.errors import Unavailable
from deltamem.layer import LayerMemory
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")

SAME = 2e-6
"""float32 against float32, other order of sums over 40 numbers."""
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


def token_and_state(layer: LayerMemory, *, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(batch)
    states, rank = layer.config.writer.num_states, layer.config.rank
    hidden = torch.randn(batch, 1, HIDDEN, generator=generator)
    return hidden, torch.randn(batch, states, rank, rank, generator=generator)


def close(got: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(got, wanted, atol=SAME, rtol=SAME)


@torch.no_grad()
def agree(step: CompiledStep, layer: LayerMemory, *, batch: int, write: bool) -> None:
    hidden, state = token_and_state(layer, batch=batch)
    before = state.clone()
    result, corrections = step(hidden, state, write=write)
    wanted = layer(hidden, state, valid=None, segments=None, write=write)
    assert torch.equal(state, before)
    close(result.reads, wanted.reads)
    close(result.state, wanted.state)
    assert (result.gate is None) == (wanted.gate is None)
    close(result.mean_write, wanted.mean_write)
    scaled = layer.scaled(wanted.reads)
    assert list(corrections) == list(layer.config.heads)
    for head, correction in corrections.items():
        close(correction, layer.steer(head, scaled))


@pytest.fixture(autouse=True)
def _in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other side of every comparison."""
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize("write", [True, False], ids=["write", "read"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_equals_the_layer(settings: dict[str, Any], write: bool) -> None:
    layer = layer_of(**settings)
    step = CompiledStep(layer)
    assert step.available
    for batch in (3, 1):
        agree(step, layer, batch=batch, write=write)


def test_weights_may_change_and_move_between_calls() -> None:
    layer = layer_of()
    step = CompiledStep(layer)
    agree(step, layer, batch=1, write=True)
    with torch.no_grad():
        layer.memory_q_proj.mul_(-1.0)
    agree(step, layer, batch=1, write=True)
    layer.load_state_dict({k: w + 0.1 for k, w in layer.state_dict().items()}, assign=True)
    agree(step, layer, batch=1, write=True)


def test_strided_and_low_precision_hidden_vectors() -> None:
    layer = layer_of()
    step = CompiledStep(layer)
    hidden, state = token_and_state(layer, batch=2)
    with torch.no_grad():
        wanted = step(hidden, state, write=True)[0].state
        wide = torch.stack([hidden, hidden], dim=-1)[..., 0]
        assert not wide.is_contiguous()
        assert torch.equal(step(wide, state, write=True)[0].state, wanted)
        halves = hidden.to(torch.bfloat16)
        same = step(halves.float(), state, write=True)[0].state
        assert torch.equal(step(halves, state, write=True)[0].state, same)


def test_segment_writers_read_this_way_and_write_another() -> None:
    assert not CompiledStep(layer_of(writer=SegmentWriter())).writes
    assert CompiledStep(layer_of(writer=TokenWriter())).writes
    layer = layer_of(writer=SegmentWriter())
    agree(CompiledStep(layer), layer, batch=2, write=False)


@pytest.mark.parametrize("form", ["torch", "naive", "triton"])
def test_another_form_that_is_named_is_not_passed_over(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, form)
    assert not CompiledStep(layer_of()).available


def test_other_states_and_devices_go_another_way() -> None:
    assert not CompiledStep(layer_of(state_dtype="float64")).available
    assert not CompiledStep(layer_of().to("meta")).available


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    from deltamem import compiled_step
    from deltamem.delta_rule import compiling

    for cached in (compiled_step._library, compiling.can_load, compiling.load_library):
        cached.cache_clear()
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    try:
        assert not CompiledStep(layer_of()).available
        monkeypatch.setenv(VARIABLE, "cpp")
        with pytest.raises(Unavailable, match="needs a C\\+\\+ compiler"):
            _ = CompiledStep(layer_of()).available
    finally:
        for cached in (compiled_step._library, compiling.can_load, compiling.load_library):
            cached.cache_clear()
