"""Every method weighs given answers by what it answers with, and stays as it was."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from test_invariants import CASES, World, world  # noqa: F401
from trained_baselines import OTHER, TALK

from deltamem_evaluations.method import WeighedAnswer
from deltamem_evaluations.sample import Decoding, History, Prompt

SAME_NATS = 5e-4
"""Float32 in another order of sums, through distances between hidden states."""
GREEDY = Decoding(max_new_tokens=8)
PROMPTS = [
    Prompt(question="Where is Ada today?", history=0, seed=0),
    Prompt(question="Where is Hugo?", history=1, seed=1),
    Prompt(question="Where is Ben today, and where is Ada?", history=0, seed=2),
]
GIVEN = ("Today Ada is in Oslo.", "Kiel", "Rome, Oslo")


@pytest.mark.parametrize("name", CASES)
def test_given_answers_are_weighed(name: str, world: World) -> None:  # noqa: F811
    if CASES[name].impure:
        pytest.skip("answers depend on the questions before them, by design")
    method = CASES[name].make(world)
    method.reset(2)
    method.write([History(messages=TALK), History(messages=OTHER)])
    said = [answer.text for answer in method.answer(PROMPTS, GREEDY)]
    given = [replace(p, given=text) for p, text in zip(PROMPTS, GIVEN, strict=True)]
    together: list[Any] = list(method.answer(given, GREEDY))
    assert all(isinstance(answer, WeighedAnswer) for answer in together)
    found = [answer.nats for answer in together]
    assert all(math.isfinite(value) and value > 0 for value in found)
    assert [answer.text for answer in together] == list(GIVEN)
    heard: dict[int, float] = {}
    alone = method.answer(
        given, GREEDY, side_by_side=1, on_answer=lambda i, answer: heard.update({i: answer.nats})
    )
    assert [answer.nats for answer in alone] == pytest.approx(found, abs=SAME_NATS)
    assert [heard[i] for i in range(3)] == [answer.nats for answer in alone]
    assert [answer.text for answer in method.answer(PROMPTS, GREEDY)] == said
    assert all(answer.nats is None for answer in method.answer(PROMPTS, GREEDY))
