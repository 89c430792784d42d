"""A single token in one compiled call equals the layer's own forward, whatever the settings."""

from __future__ import annotations

import weakref
from typing import Any

import pytest
import torch
from single_tokens import SAME, SETTINGS, difference, layer_of, token_and_state

from deltamem.delta_rule import VARIABLE
from deltamem.delta_rule.compiling import compiler
from deltamem.delta_rule.single_token import CompiledStep, single_step
from deltamem.writers import SegmentWriter, TokenWriter
from deltamem_base.faults import InvalidInput

pytestmark = pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")


@pytest.fixture(autouse=True)
def _in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other side of every comparison."""
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.mark.parametrize("padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("write", [True, False], ids=["write", "read"])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_equals_the_layer(settings: dict[str, Any], write: bool, padded: bool) -> None:
    layer = layer_of(**settings)
    step = CompiledStep(layer)
    for batch in (3, 1):
        assert difference(step, layer, batch=batch, write=write, padded=padded) <= SAME


def test_weights_may_change_and_move_between_calls() -> None:
    layer = layer_of()
    step = CompiledStep(layer)
    assert difference(step, layer, batch=1, write=True) <= SAME
    with torch.no_grad():
        layer.memory_q_proj.mul_(-1.0)
    assert difference(step, layer, batch=1, write=True) <= SAME
    layer.memory_k_proj = torch.nn.Parameter(layer.memory_k_proj.detach() + 0.1)  # one alone
    assert difference(step, layer, batch=1, write=True) <= SAME
    layer.load_state_dict({k: w + 0.1 for k, w in layer.state_dict().items()}, assign=True)
    assert difference(step, layer, batch=1, write=True) <= SAME


def test_weights_that_are_swapped_for_one_call() -> None:
    layer = layer_of()
    step = CompiledStep(layer)
    (hidden, state), own = token_and_state(layer, batch=1), layer.delta_q_proj
    before = step(hidden, state, valid=None, write=True)[1]["q"].clone()
    layer._parameters["delta_q_proj"] = torch.zeros_like(own)  # as functional_call does
    assert not step(hidden, state, valid=None, write=True)[1]["q"].any()
    layer._parameters["delta_q_proj"] = own
    assert torch.equal(step(hidden, state, valid=None, write=True)[1]["q"], before)


def test_weights_that_leave_the_cpu_or_float32() -> None:
    layer = layer_of()
    step = CompiledStep(layer)
    hidden, state = token_and_state(layer, batch=1)
    step(hidden, state, valid=None, write=True)
    layer.to(torch.bfloat16)
    with pytest.raises(InvalidInput, match=r"torch\.bfloat16 on cpu between two tokens"):
        step(hidden, state, valid=None, write=True)
    assert single_step(layer) is None


def test_a_weight_with_other_data_keeps_no_pointer_to_freed_memory() -> None:
    layer = layer_of()
    step = CompiledStep(layer)
    hidden, state = token_and_state(layer, batch=1)
    step(hidden, state, valid=None, write=True)
    storage = weakref.ref(layer.memory_k_proj.untyped_storage())
    layer.memory_k_proj.data = torch.zeros_like(layer.memory_k_proj)
    assert storage() is not None


def test_a_layer_that_moves_within_its_parameters() -> None:
    layer = layer_of()
    step = CompiledStep(layer)
    assert difference(step, layer, batch=1, write=True) <= SAME
    layer._apply(lambda weight: 2 * weight)  # as `.to` does: the same parameters, other storage
    assert difference(step, layer, batch=1, write=True) <= SAME


def test_strided_and_low_precision_hidden_vectors() -> None:
    layer = layer_of()
    step = CompiledStep(layer)
    hidden, state = token_and_state(layer, batch=2)

    def after(hidden: torch.Tensor) -> torch.Tensor:
        return step(hidden, state, valid=None, write=True)[0]

    with torch.no_grad():
        wide = torch.stack([hidden, hidden], dim=-1)[..., 0]
        assert not wide.is_contiguous()
        assert torch.equal(after(wide), after(hidden))
        halves = hidden.to(torch.bfloat16)
        assert torch.equal(after(halves), after(halves.float()))


def test_segment_writers_read_this_way_and_write_another() -> None:
    assert not CompiledStep(layer_of(writer=SegmentWriter())).writes
    assert CompiledStep(layer_of(writer=TokenWriter())).writes
    layer = layer_of(writer=SegmentWriter())
    assert difference(CompiledStep(layer), layer, batch=2, write=False) <= SAME
