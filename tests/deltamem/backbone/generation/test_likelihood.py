"""Given answers are weighed as one naive forward over all of their tokens weighs them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from deltamem import DeltaMemConfig, DeltaMemory
from deltamem.backbone.generation import likelihood
from deltamem.method.delta_mem_method import DeltaMemMethod
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter
from deltamem_baselines.frozen import Frozen
from deltamem_evaluations.sample import Decoding, History, Prompt

SAME_NATS = 2e-4
"""Sums of float32 logits in another order, over answers of at most twenty tokens."""
GREEDY = Decoding(max_new_tokens=4)
SYSTEM = {"role": "system", "content": "Be brief."}
HISTORIES = (
    (
        SYSTEM,
        {"role": "user", "content": "Today Ada is in Oslo."},
        {"role": "assistant", "content": "I had some tea."},
        {"role": "user", "content": "Today Ben is in Rome."},
    ),
    (SYSTEM, {"role": "user", "content": "Today Hugo is with Olga."}),
)
ASKED = (
    ("Where is Ada today?", 0, "Today Ada is in Oslo."),
    ("Where is Ben today?", 0, "Rome"),
    ("Where is Hugo today, if you know it?", 1, "With Olga, I think, and with nobody else. ✓"),
    ("Where?", 1, "x"),
)
WRITERS = {"tsw": TokenWriter(), "ssw": SegmentWriter(), "msw": MultiStateWriter(num_states=2)}


def prompts(*numbers: int) -> list[Prompt]:
    chosen = [ASKED[i] for i in numbers or range(len(ASKED))]
    return [Prompt(question=q, history=h, seed=0, given=text) for q, h, text in chosen]


def histories() -> list[History]:
    return [History(messages=messages) for messages in HISTORIES]


def rendered(tiny: Any, number: int, *, shown: bool) -> tuple[list[int], list[int]]:
    """Tokens of the prompt and of the answer, from the template's own rendering of the whole."""
    question, history, text = ASKED[number]
    messages = HISTORIES[history] if shown else HISTORIES[history][:1]
    turns = [*messages, {"role": "user", "content": question}]
    prompt = tiny.render(turns, add_generation_prompt=True).ids
    whole = tiny.render([*turns, {"role": "assistant", "content": text}]).ids
    end = next(i for i in range(len(prompt), len(whole)) if whole[i] in tiny.stop_ids)
    assert whole[: len(prompt)] == prompt
    return prompt, whole[len(prompt) : end + 1]


def mean_nats(logits: torch.Tensor, prompt: list[int], answer: list[int]) -> float:
    log_p = logits.float().log_softmax(-1)
    chosen = [log_p[len(prompt) - 1 + i, token] for i, token in enumerate(answer)]
    return -float(torch.stack(chosen).mean())


@torch.no_grad()
def naive(tiny: Any, number: int, *, shown: bool) -> float:
    prompt, answer = rendered(tiny, number, shown=shown)
    return mean_nats(tiny.model(torch.tensor([[*prompt, *answer]])).logits[0], prompt, answer)


def nats(method: Any, *numbers: int, **settings: Any) -> list[float]:
    return [a.nats for a in method.answer(prompts(*numbers), GREEDY, **settings)]


@pytest.mark.parametrize("context", ["visible", "none"])
@pytest.mark.parametrize("side_by_side", [None, 1, 3])
def test_the_bare_backbone(context: str, side_by_side: int | None, tiny: Any) -> None:
    method = Frozen(tiny, context=context)
    method.reset(2)
    method.write(histories())
    found = nats(method, side_by_side=side_by_side)
    wanted = [naive(tiny, i, shown=context == "visible") for i in range(len(ASKED))]
    assert found == pytest.approx(wanted, abs=SAME_NATS)
    assert len({round(value, 2) for value in wanted}) == len(wanted)


def test_long_answers_are_weighed_a_few_at_a_time(
    tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = Frozen(tiny)
    method.reset(2)
    method.write(histories())
    whole = nats(method)
    monkeypatch.setattr(likelihood, "LOGITS_AT_ONCE", 1)
    assert nats(method) == pytest.approx(whole, abs=SAME_NATS)


def delta_mem(tiny: Any, writer: Any, **settings: Any) -> DeltaMemMethod:
    config = DeltaMemConfig(writer=writer, init="random", init_gain=1.0)
    memory = DeltaMemory(config, tiny.model).initialise(tiny.model, seed=0)
    memory.identity = memory.sha
    method = DeltaMemMethod(tiny, memory, **settings)
    method.reset(2)
    method.write(histories())
    return method


@torch.no_grad()
def from_state(method: DeltaMemMethod, state: Any, number: int) -> float:
    """One forward of prompt and answer, alone, without a cache, from the history's state."""
    prompt, answer = rendered(method.backbone, number, shown=False)
    ids = torch.tensor([[*prompt, *answer]])
    with method.memory.attach(method.backbone.model) as attached:
        output, _ = attached.forward(ids, state=state.select([ASKED[number][1]]), write=False)
    return mean_nats(output.logits[0], prompt, answer)


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("control", ["kept", "zero"])
def test_the_state_alone(writer: Any, control: str, tiny: Any) -> None:
    method = delta_mem(tiny, writer, state_control=control)
    state = method.state if control == "kept" else method.memory.zeros(2)
    wanted = [from_state(method, state, i) for i in range(len(ASKED))]
    assert nats(method) == pytest.approx(wanted, abs=SAME_NATS)
    if control == "kept":
        other = delta_mem(tiny, writer, state_control="zero")
        assert nats(other) != pytest.approx(wanted, abs=SAME_NATS)


@torch.no_grad()
def step_by_step(method: DeltaMemMethod, number: int, *, write: bool) -> float:
    """History, prompt, then token by token, alone: each in a forward of its own."""
    prompt, answer = rendered(method.backbone, number, shown=True)
    history = len(method.backbone.render_history(HISTORIES[ASKED[number][1]]).ids)
    one = DeltaMemMethod(method.backbone, method.memory, context="visible")
    one.write([histories()[ASKED[number][1]]])
    cache = one._context._visible.cache.forked()
    total, ids = 0.0, prompt[history:]
    with method.memory.attach(method.backbone.model) as attached:
        for token in answer:
            segments = torch.zeros(1, len(ids), dtype=torch.long)
            output, _ = attached.forward(
                torch.tensor([ids]), write=write, segments=segments, past_key_values=cache
            )
            total -= float(output.logits[0, -1].float().log_softmax(-1)[token])
            ids = [token]
    return total / len(answer)


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize("write_answers", [False, True])
def test_the_history_in_view(writer: Any, write_answers: bool, tiny: Any) -> None:
    """Also where question and answer write: then as in decoding, one token after the other."""
    method = delta_mem(tiny, writer, context="visible", write_answers=write_answers)
    wanted = [step_by_step(method, i, write=write_answers) for i in range(len(ASKED))]
    assert nats(method) == pytest.approx(wanted, abs=SAME_NATS)


def test_an_answer_that_does_not_fit_is_not_weighed(tiny: Any) -> None:
    method = Frozen(tiny)
    method.reset(1)
    long = Prompt(question="Where?", history=0, seed=0, given="Oslo " * tiny.window)
    short = Prompt(question="Where?", history=0, seed=0, given="Oslo")
    first, second = method.answer([long, short], GREEDY)
    (alone,) = method.answer([short], GREEDY)
    assert first.nats is None
    assert second.nats == pytest.approx(alone.nats, abs=SAME_NATS)
