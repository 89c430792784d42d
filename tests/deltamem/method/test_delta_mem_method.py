"""δ-mem behind reset, write and answer: what goes in, what stays, and what a question finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from deltamem import DeltaMemConfig, DeltaMemory, InvalidInput
from deltamem.backbone import split_windows
from deltamem.method.delta_mem_method import DeltaMemMethod
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter
from deltamem_evaluations.sample import Decoding, History, Prompt

WRITERS = {"tsw": TokenWriter(), "ssw": SegmentWriter(), "msw": MultiStateWriter(num_states=2)}
GREEDY = Decoding(max_new_tokens=6)
CLOSE = 2e-5
"""States computed in another order of sums, float32 (the parity tolerance)."""

TALK = tuple(
    {"role": ("user", "assistant")[i % 2], "content": text}
    for i, text in enumerate(
        (
            "Today Ada is in Oslo.",
            "I had some tea.",
            "Today Ben is in Rome.",
            "Today Eva is in Bern.",
        )
    )
)
OTHER = (
    {"role": "user", "content": "Today Hugo is with Olga. Today Olga is in Kiel. Time flies."},
)
QUESTIONS = ("Where is Ada today?", "Where is Ben today?", "Where is Hugo today?")


@pytest.fixture(params=WRITERS.values(), ids=WRITERS)
def memory(request: pytest.FixtureRequest, tiny: Any) -> DeltaMemory:
    config = DeltaMemConfig(writer=request.param, init="random", init_gain=1.0)
    memory = DeltaMemory(config, tiny.model).initialise(tiny.model, seed=0)
    memory.identity = memory.sha
    return memory


def prompts(history: int = 0) -> list[Prompt]:
    return [Prompt(question=q, history=history, seed=i) for i, q in enumerate(QUESTIONS)]


def texts(method: DeltaMemMethod, history: int = 0) -> list[str]:
    return [answer.text for answer in method.answer(prompts(history), GREEDY)]


def same(got: Any, wanted: Any) -> None:
    for index, layer in wanted.layers.items():
        torch.testing.assert_close(got.layers[index], layer, atol=CLOSE, rtol=CLOSE)


@pytest.fixture(params=["none", "visible"])
def make(request: pytest.FixtureRequest, tiny: Any, memory: DeltaMemory) -> Callable[..., Any]:
    def method(**settings: Any) -> DeltaMemMethod:
        return DeltaMemMethod(tiny, memory, context=request.param, **settings)

    method.context = request.param  # type: ignore[attr-defined]
    return method


def test_a_batch_equals_one_at_a_time(make: Callable[..., Any]) -> None:
    both = make()
    both.reset(2)
    both.write([History(messages=TALK), History(messages=OTHER)])
    for number, talk in enumerate((TALK, OTHER)):
        alone = make()
        alone.write([History(messages=talk)])
        same(both.state.select([number]), alone.state)
        assert texts(both, number) == texts(alone)


def test_answers_change_nothing(make: Callable[..., Any]) -> None:
    method = make()
    method.write([History(messages=TALK)])
    before = method.state.clone()
    first = texts(method)
    again = [method.answer([p], GREEDY)[0].text for p in reversed(prompts())][::-1]
    assert first == again == texts(method)
    same(method.state, before)


def test_reset_forgets(make: Callable[..., Any]) -> None:
    fresh, used = make(), make()
    used.write([History(messages=TALK)])
    written = texts(used)
    used.reset()
    assert texts(used) == texts(fresh)
    used.write([History(messages=TALK)])
    assert texts(used) == written


def test_writing_in_two_pieces_equals_one(tiny: Any) -> None:
    """Where the history stays in view; written alone, a piece does not see the one before it."""
    memory = DeltaMemory(DeltaMemConfig(init="random", init_gain=1.0), tiny.model)
    memory.initialise(tiny.model, seed=0)
    once, twice = (DeltaMemMethod(tiny, memory, context="visible") for _ in range(2))
    once.write([History(messages=TALK)])
    twice.write([History(messages=TALK[:2])])
    twice.write([History(messages=TALK[2:])])
    same(twice.state, once.state)
    assert texts(twice) == texts(once)


def test_an_empty_history_is_the_bare_prompt(tiny: Any, make: Callable[..., Any]) -> None:
    from deltamem_baselines.frozen import Frozen

    method, frozen = make(), Frozen(tiny, context="none")
    assert texts(method) == [a.text for a in frozen.answer(prompts(), GREEDY)]


def test_no_context_shows_only_the_question(tiny: Any, memory: DeltaMemory) -> None:
    method = DeltaMemMethod(tiny, memory, context="none")
    (report,) = method.write([History(messages=TALK)])
    assert report.shown_tokens == 0
    assert report.written_tokens == report.original_tokens == len(tiny.render_history(TALK).ids)
    answer = method.answer(prompts()[:1], GREEDY)[0]
    bare = tiny.render([{"role": "user", "content": QUESTIONS[0]}], add_generation_prompt=True)
    assert answer.prompt_tokens == len(bare.ids)


def test_windows_carry_the_state_over(tiny: Any, memory: DeltaMemory) -> None:
    """A window of 25 tokens writes the same tokens in several passes."""
    rendered, unit = tiny.render_history(TALK), memory.config.writer.segment_unit
    segments = None if unit is None else rendered.segments(unit)
    assert len(split_windows(len(rendered.ids), 25, segments=segments)) > 1
    for window in (25, 4):
        windowed = DeltaMemMethod(tiny, memory, context="none", window=window)
        (report,) = windowed.write([History(messages=TALK)])
        assert report.written_tokens == len(rendered.ids)
        assert all(bool(s.any()) for s in windowed.state.layers.values())


@pytest.mark.parametrize("state", ["zero", "shuffled"])
def test_state_controls(state: str, make: Callable[..., Any], memory: DeltaMemory) -> None:
    plain, controlled = make(), make(state_control=state)
    for method in (plain, controlled):
        method.write([History(messages=TALK)])
    same(controlled.state, plain.state)  # what was written is the same
    if state == "zero" and make.context == "none":
        assert texts(controlled) == texts(make())


def test_a_foreign_history_writes_and_the_own_is_shown(tiny: Any, memory: DeltaMemory) -> None:
    foreign = History(messages=TALK, replaced=OTHER)
    own = DeltaMemMethod(tiny, memory, context="none")
    other = DeltaMemMethod(tiny, memory, context="none")
    own.write([foreign])
    other.write([History(messages=OTHER)])
    same(own.state, other.state)
    shown = DeltaMemMethod(tiny, memory, context="visible")
    (report,) = shown.write([foreign])
    same(shown.state, other.state)
    assert report.shown_tokens == len(tiny.render_history(TALK).ids)
    assert report.written_tokens == len(tiny.render_history(OTHER).ids)


def test_nothing_written_is_the_zero_state(make: Callable[..., Any]) -> None:
    method = make()
    method.write([History(messages=TALK, replaced=())])
    assert not any(bool(s.any()) for s in method.state.layers.values())


def test_written_answers_are_forgotten_again(tiny: Any, memory: DeltaMemory) -> None:
    method = DeltaMemMethod(tiny, memory, context="visible", write_answers=True)
    method.write([History(messages=TALK)])
    before = method.state.clone()
    assert texts(method) == texts(method)
    same(method.state, before)
    (answer,) = method.answer(prompts()[:1], GREEDY)
    shown = len(tiny.render_history(TALK).ids)
    assert answer.written_tokens == answer.prompt_tokens - shown + answer.new_tokens - 1 > 0
    with pytest.raises(InvalidInput, match="needs context=visible"):
        DeltaMemMethod(tiny, memory, context="none", write_answers=True)


def test_settings_that_do_not_exist(tiny: Any, memory: DeltaMemory) -> None:
    with pytest.raises(InvalidInput, match="context is 'part'"):
        DeltaMemMethod(tiny, memory, context="part")
    with pytest.raises(InvalidInput, match=r"control.state is 'random'"):
        DeltaMemMethod(tiny, memory, state_control="random")


def test_a_state_dict_round_trip(make: Callable[..., Any]) -> None:
    method, other = make(), make()
    method.reset(2)
    method.write([History(messages=TALK), History(messages=OTHER)])
    other.write([History(messages=OTHER)])
    saved, before = method.state_dict(), method.state.clone()
    other.load_state_dict(saved)
    same(other.state, method.state)
    for history in (0, 1):
        assert texts(other, history) == texts(method, history)
    other.write([History(messages=OTHER), History(messages=TALK)])
    method.load_state_dict(saved)
    same(method.state, before)
