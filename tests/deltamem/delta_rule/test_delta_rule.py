"""Every fast form equals the recurrence: reads, states and gradients, whatever the length."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_inputs import DOUBLE, NAMES, close, inputs, with_gradients
from torch.utils.checkpoint import checkpoint

from deltamem.delta_rule import (
    VARIABLE,
    delta_rule,
    delta_rule_chunked,
    delta_rule_compiled,
    delta_rule_naive,
    delta_rule_step,
    read_state,
)
from deltamem.delta_rule.compiling import compiler
from deltamem_base.faults import InvalidInput

SINGLE = 2e-5
"""float32 against a float64 loop, relative to the largest entry (the parity tolerance)."""
LENGTHS = (1, 2, 15, 16, 17, 31, 32, 33, 64, 65, 100)
"""Around a piece (16), the first length that is cut (32, the compiled piece too), a block (64)."""
COMPILED = pytest.param(
    delta_rule_compiled,
    marks=pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler"),
)
FAST = {"chunked": delta_rule_chunked, "compiled": COMPILED}
FORMS = {"naive": delta_rule_naive, **FAST}


def agree(got: Any, wanted: Any) -> None:
    """Reads, state and gradients."""
    close(got[0], wanted[0], DOUBLE)
    close(got[1], wanted[1], DOUBLE)
    for name in NAMES:
        close(got[2][name], wanted[2][name], DOUBLE)


@pytest.mark.parametrize("time", LENGTHS)
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("form", FAST.values(), ids=FAST)
def test_fast_forms_equal_the_recurrence(form, time: int, masked: bool) -> None:
    tensors = inputs(2, time, 3, 4, seed=time)
    mask = torch.rand(2, time, generator=torch.Generator().manual_seed(1)) > 0.3 if masked else None
    wanted = with_gradients(delta_rule_naive, tensors, mask)
    agree(with_gradients(form, tensors, mask), wanted)


@pytest.mark.parametrize("form", FAST.values(), ids=FAST)
@settings(max_examples=40)
@given(
    batch=st.integers(1, 3),
    time=st.integers(1, 70),
    states=st.integers(1, 3),
    rank=st.integers(1, 9),
    chunks=st.integers(1, 40),
    seed=st.integers(0, 10_000),
)
def test_any_shape_and_cut(
    form, batch: int, time: int, states: int, rank: int, chunks: int, seed: int
) -> None:
    tensors = inputs(batch, time, states, rank, seed=seed)
    mask = torch.rand(batch, time, generator=torch.Generator().manual_seed(seed)) > 0.5
    options = {"chunks": chunks, "block": 45} if form is delta_rule_chunked else {}
    wanted = with_gradients(delta_rule_naive, tensors, mask)
    got = with_gradients(form, tensors, mask, **options)
    agree(got, wanted)


@pytest.mark.parametrize("batch", [1, 40])
@pytest.mark.parametrize("time", [1, 100, 1000])
def test_single_precision_stays_near_a_double_loop(time: int, batch: int) -> None:
    tensors = inputs(batch, time, 1, 8, seed=3)
    wanted_reads, wanted_state = delta_rule_naive(*tensors.values())
    reads, state = delta_rule(*(x.float() for x in tensors.values()))
    assert reads.dtype == state.dtype == torch.float32
    close(reads, wanted_reads, SINGLE)
    close(state, wanted_state, SINGLE)


@pytest.mark.parametrize("gate", [0.0, 1.0])
@pytest.mark.parametrize("form", FAST.values(), ids=FAST)
def test_saturated_gates(form, gate: float) -> None:
    tensors = inputs(1, 50, 1, 8)
    tensors["keep"] = torch.full_like(tensors["keep"], 1 - gate)
    tensors["erase"] = tensors["write"] = torch.full_like(tensors["write"], gate)
    wanted = with_gradients(delta_rule_naive, tensors, None)
    agree(with_gradients(form, tensors, None), wanted)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_masked_positions_may_hold_nan(form) -> None:
    tensors = inputs(2, 40, 2, 4)
    mask = torch.rand(2, 40, generator=torch.Generator().manual_seed(0)) > 0.4
    clean_reads, clean_state = form(*tensors.values(), mask)
    for name in NAMES[:-1]:
        tensors[name][~mask] = torch.nan
    reads, state = form(*tensors.values(), mask)
    assert torch.equal(reads, clean_reads)
    assert torch.equal(state, clean_state)
    assert not reads[~mask].any()


@pytest.mark.parametrize("form", FAST.values(), ids=FAST)
def test_inputs_are_left_alone(form) -> None:
    """Also where the order in memory is the same as inside, as with one state and one chunk."""
    tensors = inputs(1, 7, 1, 4)
    mask = torch.tensor([[True, False, True, True, True, False, True]])
    leaves = [x.clone().requires_grad_() for x in tensors.values()]
    outputs = form(*leaves, mask)
    incoming = [torch.ones_like(x) for x in outputs]
    torch.autograd.grad(outputs, leaves, incoming)
    assert all(bool((x == 1).all()) for x in incoming)
    for leaf, wanted in zip(leaves, tensors.values(), strict=True):
        assert torch.equal(leaf, wanted)


@pytest.mark.parametrize("form", FAST.values(), ids=FAST)
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
def test_gradients_are_those_of_finite_differences(form, masked: bool) -> None:
    tensors = [x.requires_grad_() for x in inputs(2, 5, 1, 2).values()]
    mask = torch.tensor([[True] * 5, [True, False, True, True, False]]) if masked else None
    assert torch.autograd.gradcheck(lambda *x: form(*x, mask), tensors)


@pytest.mark.parametrize("form", FAST.values(), ids=FAST)
@pytest.mark.parametrize(
    ("batch", "time", "states"), [(1, 300, 1), (1, 8200, 1), (3, 700, 4), (130, 70, 1)]
)
def test_blocks_and_pieces_of_the_chosen_plan(form, batch: int, time: int, states: int) -> None:
    """Several blocks, chunks longer than a piece, and so many states that nothing is cut."""
    tensors = inputs(batch, time, states, 2)
    wanted = with_gradients(delta_rule_naive, tensors, None)
    agree(with_gradients(form, tensors, None), wanted)


@pytest.mark.parametrize("form", FAST.values(), ids=FAST)
def test_gradients_without_queries_or_with_frozen_inputs(form) -> None:
    tensors = inputs(2, 30, 1, 4)
    found = []
    for one in (form, delta_rule_naive):
        v, state = tensors["v"].clone().requires_grad_(), tensors["state"].clone().requires_grad_()
        rest = {**tensors, "v": v, "state": state}
        rest.pop("q")
        found.append(torch.autograd.grad(one(None, *rest.values())[1].sum(), (v, state)))
    for got, wanted in zip(*found, strict=True):
        close(got, wanted, DOUBLE)


@pytest.mark.parametrize("form", FAST.values(), ids=FAST)
def test_activation_checkpointing_gives_the_same_gradients(form) -> None:
    tensors = inputs(1, 40, 1, 4)
    leaves = [x.clone().requires_grad_() for x in tensors.values()]
    reads, state = checkpoint(form, *leaves, use_reentrant=False)
    got = torch.autograd.grad(reads.sum() + state.sum(), leaves)
    reads, state = form(*leaves)
    for one, wanted in zip(
        got, torch.autograd.grad(reads.sum() + state.sum(), leaves), strict=True
    ):
        assert torch.equal(one, wanted)


@pytest.mark.parametrize("form", FAST.values(), ids=FAST)
def test_lower_precision_inputs_meet_a_single_precision_state(form) -> None:
    tensors = {name: x.bfloat16() for name, x in inputs(1, 40, 1, 8).items()}
    tensors["state"] = tensors["state"].float()
    reads, state, grads = with_gradients(form, tensors, None)
    wanted_reads, wanted_state, _ = with_gradients(
        delta_rule_naive, {name: x.double() for name, x in tensors.items()}, None
    )
    assert reads.dtype == state.dtype == torch.float32
    assert grads["k"].dtype == torch.bfloat16
    close(reads, wanted_reads, SINGLE)
    close(state, wanted_state, SINGLE)


def test_the_variable_names_the_form(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = inputs(1, 40, 1, 8, dtype=torch.float32)
    for name, form in (("torch", delta_rule_chunked), ("naive", delta_rule_naive)):
        monkeypatch.setenv(VARIABLE, name)
        assert torch.equal(delta_rule(*tensors.values())[0], form(*tensors.values())[0])
    monkeypatch.setenv(VARIABLE, "")
    wanted = delta_rule_chunked(*tensors.values())[0]
    assert torch.equal(delta_rule(*tensors.values())[0], wanted)


def test_a_wrong_variable_is_refused_with_the_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "fortran")
    with pytest.raises(InvalidInput, match="'fortran'; choose one of torch, cpp, triton, naive"):
        delta_rule(*inputs(1, 40, 1, 8).values())


def test_step_by_step_equals_one_call() -> None:
    tensors = inputs(2, 20, 2, 4)
    wanted_reads, wanted_state = delta_rule_naive(*tensors.values())
    state, reads = tensors["state"], []
    for t in range(20):
        at = [tensors[name][:, t : t + 1] for name in NAMES[:-1]]
        read, state = delta_rule_step(*at, state)
        reads.append(read)
    close(torch.cat(reads, dim=1), wanted_reads, DOUBLE)
    close(state, wanted_state, DOUBLE)


def test_pieces_equal_the_whole() -> None:
    tensors = inputs(1, 90, 1, 8)
    wanted_reads, wanted_state = delta_rule(*tensors.values())
    state, reads = tensors["state"], []
    for start, end in ((0, 7), (7, 50), (50, 90)):
        read, state = delta_rule(*(tensors[n][:, start:end] for n in NAMES[:-1]), state)
        reads.append(read)
    close(torch.cat(reads, dim=1), wanted_reads, DOUBLE)
    close(state, wanted_state, DOUBLE)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_without_queries_only_the_state_is_made(form) -> None:
    tensors = inputs(1, 45, 2, 4)
    _, wanted = form(*tensors.values())
    reads, state = form(None, *list(tensors.values())[1:])
    assert reads is None
    close(state, wanted, DOUBLE)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_no_tokens(form) -> None:
    tensors = inputs(2, 0, 1, 4)
    reads, state = form(*tensors.values())
    assert reads.shape == (2, 0, 1, 4)
    assert torch.equal(state, tensors["state"])


def test_low_precision_state_goes_token_by_token() -> None:
    tensors = {name: x.bfloat16() for name, x in inputs(1, 10, 1, 4).items()}
    _, state = delta_rule(*tensors.values())
    assert state.dtype == torch.bfloat16
    assert torch.equal(state, delta_rule_naive(*tensors.values())[1])


def test_reading_is_a_product() -> None:
    tensors = inputs(2, 5, 3, 4)
    wanted = torch.einsum("bnij,btnj->btni", tensors["state"], tensors["q"])
    close(read_state(tensors["q"], tensors["state"]), wanted, DOUBLE)


def test_one_write_by_hand() -> None:
    """S = [[1, 2], [3, 4]], k = (1, 0), v = (5, 6): row 0 keeps half, row 1 is overwritten."""
    one = torch.ones(1, 1, 1, 2)
    state = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    key = torch.tensor([1.0, 0.0]).view(1, 1, 1, 2)
    value = torch.tensor([5.0, 6.0]).view(1, 1, 1, 2)
    keep = torch.tensor([0.5, 0.0]).view(1, 1, 1, 2)
    reads, after = delta_rule_naive(one, key, value, keep, 1 - keep, 1 - keep, state)
    assert reads.flatten().tolist() == [3.0, 7.0]
    # row 0: 0.5 (1, 2) + 0.5 (5 - 1) (1, 0); row 1: 0 (3, 4) + 1 (6 - 3) (1, 0)
    assert after.flatten().tolist() == [2.5, 1.0, 3.0, 0.0]
