"""Thinking is cut in one place, for new answers and stored ones, and both kinds are counted."""

from __future__ import annotations

import copy
import importlib
import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from inspect import isabstract
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import IDENTITY, PATH, Letters, Parrot, Said, made_with

import deltamem_evaluations
from deltamem_baselines.frozen import Frozen
from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.benchmarks.recall import Recall
from deltamem_evaluations.records.making import make_record
from deltamem_evaluations.records.record import Thinking
from deltamem_evaluations.records.rescore import rescore
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.records.stored import Run
from deltamem_evaluations.runner import Plan, run
from deltamem_evaluations.sample import Decoding, Prompt
from deltamem_evaluations.thinking import Final, count_thinking, final_answer, whole

OPENS_THINKING = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)


@pytest.mark.parametrize(
    ("prediction", "final"),
    [
        ("  Paris\n", Final(text="  Paris\n")),
        ("<think>\nLyon?\n</think>\n\nParis", Final(text="Paris", cut=True)),
        ("Lyon? No.\n</think>\n\nParis", Final(text="Paris", cut=True)),
        ("<think></think>Paris", Final(text="Paris", cut=True)),
        ("Paris. <think>Lyon?</think>", Final(text="Paris.", cut=True)),
        ("<think>a <think> b</think> c</think> Paris", Final(text="Paris", cut=True)),
        ("<think>Lyon?</think>", Final(text="", cut=True)),
        ("<think>Paris", Final(text="", unfinished=True)),
        ("<think>a</think> Lyon <think>Paris", Final(text="", unfinished=True)),
        ("<thinking about Paris>", Final(text="<thinking about Paris>")),
    ],
)
def test_what_is_left(prediction: str, final: Final) -> None:
    assert final_answer(prediction) == final


@given(st.text(), st.text())
def test_an_answer_is_what_follows_its_thinking(thought: str, answer: str) -> None:
    if "<think>" not in answer and "</think>" not in answer:
        assert final_answer(f"{thought}</think>{answer}").text in (answer.strip(), "")
        plain = thought.replace("think>", "")
        assert final_answer(f"<think>{plain}</think>{answer}").text == answer.strip()
        assert final_answer(answer).text == answer


def test_a_block_that_the_prompt_opened_is_stored_with_its_tag() -> None:
    assert final_answer(whole("Paris, I guess", opened=True)).unfinished
    assert final_answer(whole("Lyon? No.</think> Paris", opened=True)).text == "Paris"
    assert whole("Paris", opened=False) == "Paris"


def benchmarks() -> Iterator[type[Benchmark]]:
    for module in pkgutil.walk_packages(deltamem_evaluations.__path__, "deltamem_evaluations."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, Benchmark) and value is not Benchmark:
                yield value


def test_no_benchmark_goes_round_the_cut() -> None:
    found = set(benchmarks())
    concrete = [one for one in found if not isabstract(one)]
    assert len(concrete) >= 7
    assert all(one.score is Benchmark.score for one in found)
    assert all(one.score_answer is not Benchmark.score_answer for one in concrete)


class Thinker(Parrot):
    """Thinks first: finishes, finishes in a prompt's block, or never does, by its question."""

    def answer(self, prompts: Sequence[Prompt], decoding: Decoding, **pace: Any) -> list[Said]:
        answers = []
        for prompt, said in zip(prompts, super().answer(prompts, decoding), strict=True):
            thought, opened = {
                "a0": ("<think>\nv9?\n</think>\n\n", False),
                "a1": ("v9?\n</think>\n\n", True),
                "a2": ("", True),
            }[prompt.question]
            answers.append(replace(said, text=thought + said.text, opened_thinking=opened))
        return answers


def thinking_run(folder: Path) -> Run:
    benchmark = Letters(histories=2, questions=3)
    with SampleStore(folder, key="k") as store:
        scored = run(benchmark, Thinker(), store, plan=Plan())
        record = make_record(
            benchmark,
            scored,
            store.lines,
            expected=6,
            cell=IDENTITY,
            path=PATH,
            made=made_with(),
        )
        return Run(record=record, lines=dict(store.lines))


def test_a_record_counts_cut_and_unfinished_thinking(tmp_path: Path) -> None:
    done = thinking_run(tmp_path)
    record, rows = done.record, list(done.lines.values())
    assert [row.scores["em"] for row in rows] == [1.0, 1.0, 0.0] * 2
    assert [row.prediction for row in rows[:3]] == [
        "<think>\nv9?\n</think>\n\nv0.0",
        "<think>\nv9?\n</think>\n\nv0.1",
        "<think>\nv0.2",
    ]
    assert record.thinking == Thinking(cut=4, unfinished=2)
    note = "2 of 6 answers are unfinished thinking and count as none"
    assert note in record.deviations
    assert count_thinking(["v0"]) == {"cut": 0, "unfinished": 0}


def test_stored_answers_are_scored_alike(tmp_path: Path) -> None:
    done = thinking_run(tmp_path)
    entry = rescore(done, Letters(histories=2, questions=3)).rescored[-1]
    assert entry.metrics["em"].mean == done.record.metrics["em"].mean == pytest.approx(4 / 6)
    assert entry.thinking == done.record.thinking


@pytest.mark.parametrize(("template", "opened"), [(OPENS_THINKING, True), (None, False)])
def test_a_template_that_opens_the_block(
    template: str | None, opened: bool, tiny: Any, tmp_path: Path
) -> None:
    """Nothing in the text of the bare model's short answers tells that they are thinking."""
    tokenizer = copy.deepcopy(tiny.tokenizer)
    tokenizer.chat_template = template or tokenizer.chat_template
    benchmark = Recall(dialogues=1, facts=[1])
    benchmark.load()
    method = Frozen(replace(tiny, tokenizer=tokenizer), context="visible")
    with SampleStore(tmp_path, key="k") as store:
        run(benchmark, method, store, plan=Plan(limit=2))
        rows = list(store.lines.values())
    assert all(row.prediction.startswith("<think>\n") is opened for row in rows)
    unfinished = count_thinking(row.prediction for row in rows)["unfinished"]
    assert unfinished == (len(rows) if opened else 0)
    if opened:
        assert {row.scores["em"] for row in rows} == {0.0}
