"""Numbers of a memory: closed forms, and a pass computed by hand beside the observed one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import linear

from deltamem import DeltaMemConfig, DeltaMemory, InvalidInput, MemoryState
from deltamem.delta_rule import delta_rule_naive
from deltamem.memory.inspection import TurnNumbers, difference, state_numbers
from deltamem.memory.observation import observed, turn_numbers, write_observed
from deltamem.method.delta_mem_method import DeltaMemMethod
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter
from deltamem_base.typed_json import typed
from deltamem_evaluations.sample import History

WRITERS = {"tsw": TokenWriter(), "ssw": SegmentWriter(), "msw": MultiStateWriter(num_states=2)}
EXACT = 1e-9
"""Closed forms in float64."""
CLOSE = 2e-5
"""Sums in another order, float32 (the parity tolerance)."""
TALK = tuple(
    {"role": ("user", "assistant")[i % 2], "content": text}
    for i, text in enumerate(
        (
            "Today Ada is in Oslo.",
            "I had some tea.",
            "Today Ben is in Rome.",
            "Today Eva is in Bern.",
            "The cat is asleep.",
        )
    )
)


def one_layer(*blocks: Any) -> MemoryState:
    blocks = [torch.as_tensor(block, dtype=torch.float64) for block in blocks]
    return MemoryState({3: torch.stack(blocks)[None]}, "a")


ROTATION = torch.tensor([[0.6, -0.8], [0.8, 0.6]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("blocks", "norm", "rank", "largest"),
    [
        ([[[3.0, 0.0], [0.0, 4.0]]], 5.0, 7 / (3 ** (3 / 7) * 4 ** (4 / 7)), 4.0),
        ([torch.outer(torch.tensor([1.0, 2, 2]), torch.tensor([2.0, 0, 0]))], 6.0, 1.0, 6.0),
        ([5 * ROTATION], 5 * math.sqrt(2), 2.0, 5.0),
        ([ROTATION, torch.eye(2), ROTATION], math.sqrt(6), 6.0, 1.0),
        ([torch.zeros(3, 3), torch.zeros(3, 3)], 0.0, 0.0, 0.0),
        ([torch.zeros(2, 2), 2 * torch.eye(2)], math.sqrt(8), 2.0, 2.0),
    ],
    ids=["diagonal", "outer product", "rotation", "three blocks", "zero", "an empty block"],
)  # fmt: skip
def test_numbers_of_known_matrices(blocks: Any, norm: float, rank: float, largest: float) -> None:
    numbers = state_numbers(one_layer(*blocks))
    assert numbers.layers == (3,)
    assert numbers.norm[0] == pytest.approx(norm, abs=EXACT)
    assert numbers.effective_rank[0] == pytest.approx(rank, abs=EXACT)
    assert numbers.largest[0] == pytest.approx(largest, abs=EXACT)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), st.floats(0.1, 10))
def test_the_effective_rank_counts_directions_whatever_their_scale(
    values: list[float], scale: float
) -> None:
    numbers = [state_numbers(one_layer(torch.diag(torch.tensor(values)) * s)) for s in (1, scale)]
    assert 1 - EXACT <= numbers[0].effective_rank[0] <= len(values) + EXACT
    assert numbers[1].effective_rank[0] == pytest.approx(numbers[0].effective_rank[0], rel=1e-5)
    assert numbers[1].norm[0] == pytest.approx(scale * numbers[0].norm[0], rel=1e-5)


def test_differences_of_known_matrices() -> None:
    a = one_layer([[3.0, 0.0], [0.0, 4.0]])
    assert difference(a, a).norm == (0.0,)
    assert difference(a, a).cosine == pytest.approx((1.0,))
    opposite = difference(a, a.map(torch.neg))
    assert (opposite.norm, opposite.relative) == ((10.0,), (2.0,))
    assert opposite.cosine == pytest.approx((-1.0,))
    away = difference(a, one_layer([[0.0, 0.0], [12.0, 0.0]]))
    assert away.norm == pytest.approx((13.0,))
    assert away.relative == pytest.approx((13 / 12,))
    assert away.cosine == (0.0,)
    nothing = one_layer(torch.zeros(2, 2))
    assert difference(a, nothing).relative == (1.0,)
    assert difference(a, nothing).cosine == (None,)
    assert difference(nothing, nothing).relative == (0.0,)


def test_what_cannot_be_compared() -> None:
    a = one_layer(torch.eye(2))
    with pytest.raises(InvalidInput, match="written by adapter a, but adapter b"):
        difference(a, MemoryState(a.layers, "b"))
    with pytest.raises(InvalidInput, match="2 sequences"):
        state_numbers(a.repeat(2))


@pytest.fixture(params=WRITERS.values(), ids=WRITERS)
def memory(request: pytest.FixtureRequest, tiny: Any) -> DeltaMemory:
    config = DeltaMemConfig(
        writer=request.param, init="random", init_gain=1.0, own_retention=True, layers=(1, 3)
    )
    memory = DeltaMemory(config, tiny.model).initialise(tiny.model, seed=0)
    with torch.no_grad():  # gates that differ from token to token
        for index in (1, 3):
            memory.layer(index).beta_proj.normal_(std=0.5)
            memory.layer(index).lambda_proj.normal_(std=0.5)
    return memory


def entered(tiny: Any, memory: DeltaMemory, ids: torch.Tensor, segments: Any) -> dict[Any, Any]:
    """What enters each memory and each output projection in one steered pass."""
    seen: dict[Any, Any] = {}

    def keep(name: Any) -> Callable[..., None]:
        def hook(module: Any, args: Any, kwargs: Any) -> None:
            seen[name] = (kwargs.get("hidden_states") if kwargs else args[0]).detach()

        return hook

    handles = []
    for index, attention in memory.attentions(tiny.model):
        for name, module in ((index, attention), ((index, "o"), attention.o_proj)):
            handles.append(module.register_forward_pre_hook(keep(name), with_kwargs=True))
    with torch.no_grad(), memory.attach(tiny.model) as attached:
        attached.forward(ids, segments=segments, logits=False)
    for handle in handles:
        handle.remove()
    return seen


def by_hand(layer: Any, hidden: torch.Tensor, segments: list[int] | None) -> Any:
    """Gates of every write, reads of every token, states after every write: token by token."""
    unit = torch.nn.functional.normalize
    n = layer.config.writer.num_states

    def split(x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (n, -1))

    q = unit(split(torch.tanh(linear(hidden, layer.memory_q_proj))), dim=-1, eps=1e-6)
    written = hidden
    if segments is not None:
        names = sorted(set(segments) - {-1})
        rows = [hidden[0, [i for i, s in enumerate(segments) if s == m]].mean(0) for m in names]
        written = torch.stack(rows)[None]
    k = unit(split(torch.tanh(linear(written, layer.memory_k_proj))), dim=-1, eps=1e-6)
    v = split(linear(written, layer.memory_v_proj))
    beta = split(torch.sigmoid(linear(written, layer.beta_proj, layer.beta_bias)))
    lam = split(torch.sigmoid(linear(written, layer.lambda_proj, layer.lambda_bias)))
    state = hidden.new_zeros(1, n, 8, 8)
    if segments is not None:
        reads = torch.zeros_like(q)  # one pass: all tokens read the empty state
    else:
        reads, _ = delta_rule_naive(q, k, v, lam, beta, beta, state)
    states = []
    for t in range(written.shape[1]):
        at = slice(t, t + 1)
        _, state = delta_rule_naive(
            None, k[:, at], v[:, at], lam[:, at], beta[:, at], beta[:, at], state
        )
        states.append(state)
    return beta, lam, reads, states


@torch.no_grad()
def test_turns_against_a_pass_by_hand(tiny: Any, memory: DeltaMemory) -> None:
    state, turns = write_observed(memory, tiny, TALK, window=tiny.window, join=None)
    rendered = tiny.render_history(TALK)
    ids = torch.tensor([rendered.ids])
    unit = memory.config.writer.segment_unit
    segments = None if unit is None else rendered.segments(unit)
    given = None if segments is None else torch.tensor([segments])
    seen = entered(tiny, memory, ids, given)
    turn_of = [message // 2 for message in rendered.message_ids]
    of_write = turn_of if segments is None else [m // 2 for m in range(len(TALK))]
    assert [t.tokens for t in turns] == [turn_of.count(number) for number in range(3)]
    for place, (index, attention) in enumerate(memory.attentions(tiny.model)):
        layer = memory.layer(index)
        beta, lam, reads, states = by_hand(layer, seen[index], segments)
        base = [
            linear(seen[index], attention.q_proj.weight),
            linear(seen[index, "o"], attention.o_proj.weight),
        ]
        for number, turn in enumerate(turns):
            writes = [i for i, t in enumerate(of_write) if t == number]
            tokens = [i for i, t in enumerate(turn_of) if t == number]
            assert turn.write_gate[place] == pytest.approx(float(beta[:, writes].mean()), rel=CLOSE)
            assert turn.keep_gate[place] == pytest.approx(float(lam[:, writes].mean()), rel=CLOSE)
            read = reads[:, tokens].flatten(-2) * 2.0  # alpha / rank
            deltas = [linear(read, layer.get_parameter(f"delta_{head}_proj")) for head in "qo"]
            added = sum(float(delta.square().sum()) for delta in deltas)
            whole = sum(float(y[:, tokens].square().sum()) for y in base)
            assert turn.read_energy[place] == pytest.approx((added / whole) ** 0.5, rel=CLOSE)
            wanted = state_numbers(MemoryState({index: states[writes[-1]]}, ""))
            assert turn.state.norm[place] == pytest.approx(wanted.norm[0], rel=CLOSE)
            assert turn.state.effective_rank[place] == pytest.approx(
                wanted.effective_rank[0], rel=1e-4
            )
    assert turns[-1].state.norm == pytest.approx(state_numbers(state).norm, rel=CLOSE)


@pytest.mark.parametrize("window", [2048, 25])
@pytest.mark.parametrize("context", ["none", "visible"])
def test_the_observed_state_is_the_one_of_the_method(
    window: int, context: str, tiny: Any, memory: DeltaMemory
) -> None:
    method = DeltaMemMethod(tiny, memory, context=context, window=window)
    for history in (
        History(messages=TALK),
        History(messages=TALK, reserve=2020),
        History(messages=TALK, replaced=TALK[2:]),
    ):
        method.reset()
        method.write([history])
        state, turns = method.observe(history)
        for index, layer in method.state.layers.items():
            torch.testing.assert_close(state.layers[index], layer, atol=CLOSE, rtol=CLOSE)
        wanted = state_numbers(method.state)
        assert turns[-1].state.norm == pytest.approx(wanted.norm, rel=1e-4)


def test_watching_leaves_no_trace(tiny: Any, memory: DeltaMemory) -> None:
    def hooks() -> int:
        return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in tiny.model.modules())

    before = hooks()
    with (
        pytest.raises(InvalidInput, match="3 tokens of a single history are observed"),
        observed(memory, tiny.model, [0, 0, 1]),
        memory.attach(tiny.model) as attached,
    ):
        attached.forward(torch.tensor([[5, 6, 7, 8]]), segments=torch.zeros(1, 4).long())
    assert hooks() == before
    with observed(memory, tiny.model, [0]) as seen, memory.attach(tiny.model) as attached:
        attached.forward(torch.tensor([[5, 6, 7, 8]]), write=False)
    assert seen.numbers() == ()


def test_turns_begin_with_a_user(tiny: Any) -> None:
    def counted(*roles: str, join: str | None = None) -> list[int]:
        messages = [{"role": role, "content": "x"} for role in roles]
        rendered = tiny.render_history(messages, join=join)
        numbers = turn_numbers(rendered, messages)
        assert len(numbers) == len(rendered.ids)
        return sorted(set(numbers))

    assert counted("system", "user", "assistant") == [0]
    assert counted("user", "assistant", "user", "assistant", "user") == [0, 1, 2]
    assert counted("assistant", "user", "assistant", "assistant") == [0, 1]
    assert counted("user", "user", "user") == [0, 1, 2]
    assert counted("user", "user", "user", join="\n\n") == [0, 1, 2]


def test_turn_numbers_survive_json(tiny: Any, memory: DeltaMemory) -> None:
    _, turns = write_observed(memory, tiny, TALK, window=tiny.window, join=None)
    again = [typed(asdict(t), TurnNumbers, where="f") for t in turns]
    assert tuple(again) == turns
