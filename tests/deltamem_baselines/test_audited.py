"""The audit of every method on every benchmark: nothing is found that is not there."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import test_gpqa
import test_hotpotqa
import test_ifeval
import test_locomo
import test_longmemeval
import test_memory_agent_bench
import test_squad_benchmark
from conftest import ROOT
from test_ifeval import nltk_data  # noqa: F401
from test_invariants import CASES, World, world  # noqa: F401
from test_jsonl import write_questions

from deltamem_baselines.bm25_rag import BM25RAG
from deltamem_baselines.frozen import Frozen
from deltamem_evaluations.audit.audit import Finding, audit
from deltamem_evaluations.audit.gold import can_tell, given_away
from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.benchmarks.facts import Facts
from deltamem_evaluations.benchmarks.gpqa import GPQA
from deltamem_evaluations.benchmarks.hotpotqa import HotpotQA
from deltamem_evaluations.benchmarks.ifeval import IFEval
from deltamem_evaluations.benchmarks.jsonl import JsonlQuestions
from deltamem_evaluations.benchmarks.locomo import Locomo
from deltamem_evaluations.benchmarks.longmemeval import LongMemEval
from deltamem_evaluations.benchmarks.memory_agent_bench import MemoryAgentBench
from deltamem_evaluations.benchmarks.recall import Recall
from deltamem_evaluations.benchmarks.squad import Squad
from deltamem_evaluations.benchmarks.throughput import Throughput
from deltamem_evaluations.sample import History, Sample


def hotpotqa(folder: Path) -> Benchmark:
    path = folder / "hotpot.json"
    path.write_text(json.dumps([test_hotpotqa.official(1), test_hotpotqa.official(2)]))
    return HotpotQA(path=str(path))


def gpqa(folder: Path) -> Benchmark:
    records = [test_gpqa.record(number) for number in range(1, 6)]
    path = folder / "gpqa_diamond.csv"
    test_gpqa.write_csv(path, *records)
    return GPQA(path=str(path))


def ifeval(folder: Path) -> Benchmark:
    path = folder / "input_data.jsonl"
    test_ifeval.official(test_ifeval.ROWS, path)
    return IFEval(path=str(path))


def locomo(folder: Path) -> Benchmark:
    path = folder / "locomo10.json"
    path.write_text(json.dumps([test_locomo.conversation()]))
    return Locomo(path=str(path))


def longmemeval(folder: Path) -> Benchmark:
    return LongMemEval(path=str(test_longmemeval.write_official(folder / "lme.json")))


def memory_agent_bench(folder: Path) -> Benchmark:
    return MemoryAgentBench(path=str(test_memory_agent_bench.release(folder / "mab")))


def facts(folder: Path) -> Benchmark:
    return Facts(dialogues=1, facts=[1, 4])


def jsonl(folder: Path) -> Benchmark:
    return JsonlQuestions(path=str(write_questions(folder / "mine.jsonl")))


def recall(folder: Path) -> Benchmark:
    return Recall(dialogues=1, facts=[1, 4])


def squad(folder: Path) -> Benchmark:
    path = folder / "squad.json"
    path.write_text(json.dumps(test_squad_benchmark.official()))
    return Squad(path=str(path), unanswerable=True)


def throughput(folder: Path) -> Benchmark:
    return Throughput(tokens=64, repeats=2)


BENCHMARKS: tuple[Callable[[Path], Benchmark], ...] = (
    facts,
    gpqa,
    hotpotqa,
    ifeval,
    jsonl,
    locomo,
    longmemeval,
    memory_agent_bench,
    recall,
    squad,
    throughput,
)
IMPURE = {"memorybank, reinforced"}
"""Answers depend on the questions before them, by design."""


def audited(benchmark: Benchmark, method: Any, few: Any, world: World) -> list[Finding]:  # noqa: F811
    def count(history: Any) -> int:
        return len(world.tiny.render_history(history.messages, join=history.join).ids)

    return audit(benchmark, method, few, count_tokens=count, answer_tokens=6)


def first_of_histories(benchmark: Benchmark, number: int) -> list[Sample]:
    benchmark.load()
    return list({s.history_id: s for s in reversed(benchmark.samples())}.values())[:number]


def test_every_benchmark_is_audited() -> None:
    names = {path.stem for path in (ROOT / "conf" / "bench").glob("*.yaml")}
    assert {made.__name__ for made in BENCHMARKS} == names


@pytest.mark.parametrize("name", [name for name in CASES if name not in IMPURE])
@pytest.mark.parametrize("made", BENCHMARKS, ids=lambda made: made.__name__)
def test_clean_methods_pass(
    made: Callable[[Path], Benchmark],
    name: str,
    world: World,  # noqa: F811
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if made is ifeval:
        monkeypatch.setenv("NLTK_DATA", str(request.getfixturevalue("nltk_data")))
    benchmark = made(tmp_path)
    few = first_of_histories(benchmark, 2)
    found = audited(benchmark, CASES[name].make(world), few, world)
    empty = not any(benchmark.history(sample.history_id).messages for sample in few)
    unwritten = {"writes"} if empty and name.startswith("delta_mem") else set()
    assert {finding.check for finding in found} == unwritten, found


class LosesAMessage(BM25RAG):
    """Its last message never reaches the store."""

    def write(self, histories: Any) -> Any:
        found = super().write([replace(h, messages=h.messages[:-1]) for h in histories])
        whole = [len(self.backbone.render_history(h.messages, join=h.join).ids) for h in histories]
        return [replace(f, original_tokens=n) for f, n in zip(found, whole, strict=True)]


class StoresTwice(BM25RAG):
    """Every message is stored twice."""

    def write(self, histories: Any) -> Any:
        whole = super().write(histories)
        again = super().write([replace(h, messages=h.messages[1:]) for h in histories])
        return [
            replace(one, read_tokens=one.read_tokens + two.read_tokens)
            for one, two in zip(whole, again, strict=True)
        ]


class KeepsTexts(BM25RAG):
    """The text of one history is still there when the next one begins."""

    def reset(self, batch: int = 1) -> None:
        old = getattr(self, "stores", [])
        super().reset(batch)
        for store, before in zip(self.stores, old, strict=False):
            store.messages = list(before.messages)


class LearnsFromQuestions(BM25RAG):
    """What was asked is remembered as if it had been said."""

    def answer(self, prompts: Any, decoding: Any, **pace: Any) -> Any:
        said = super().answer(prompts, decoding, **pace)
        for prompt in prompts:
            turn = {"role": "user", "content": prompt.question}
            self.stores[prompt.history].messages.append(turn)
        return said


class CutsInSilence(Frozen):
    """Half of the history is in view, and nothing is said of it."""

    def write(self, histories: Any) -> Any:
        half = [replace(h, messages=h.messages[: len(h.messages) // 2]) for h in histories]
        whole = [len(self.backbone.render_history(h.messages, join=h.join).ids) for h in histories]
        found = super().write(half)
        return [replace(f, original_tokens=n) for f, n in zip(found, whole, strict=True)]


class AnswersAboutTheLast(Frozen):
    """Every question is answered from the last history of the batch."""

    def answer(self, prompts: Any, decoding: Any, **pace: Any) -> Any:
        last = len(self.state_dict()["messages"]) - 1
        return super().answer([replace(p, history=last) for p in prompts], decoding, **pace)


class ForgetsOnLoading(Frozen):
    """A state that is loaded has no history."""

    def load_state_dict(self, state: Any) -> None:
        self.reset(len(state["messages"]))


@pytest.mark.parametrize(
    ("planted", "check"),
    [
        (LosesAMessage, "tokens"),
        (StoresTwice, "tokens"),
        (CutsInSilence, "tokens"),
        (KeepsTexts, "reset"),
        (LearnsFromQuestions, "repeat"),
        (AnswersAboutTheLast, "neighbours"),
        (ForgetsOnLoading, "restore"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_planted_faults_of_methods_are_found(
    planted: type[Any],
    check: str,
    world: World,  # noqa: F811
) -> None:
    benchmark = Recall(dialogues=1, facts=[4], kinds=["single_hop", "update"])
    few = first_of_histories(benchmark, 2)
    found = audited(benchmark, planted(world.tiny), few, world)
    assert check in {finding.check for finding in found}


def leaking(made: Callable[[Path], Benchmark], folder: Path, *, where: str) -> Benchmark:
    """A benchmark whose every prompt holds its reference, in the question or before the history."""
    clean = made(folder)
    clean.load()

    class Leaking(type(clean)):  # type: ignore[misc]
        def samples(self) -> Any:
            samples = super().samples()
            if where != "question":
                return samples
            return [replace(s, question=f"{s.question} ({s.references[0]})") for s in samples]

        def history(self, history_id: str) -> History:
            history = super().history(history_id)
            if where != "instructions":
                return history
            own = next(s for s in super().samples() if s.history_id == history_id)
            turn = {"role": "system", "content": f"Say {own.references[0]}."}
            return replace(history, messages=(turn, *history.messages))

    clean.__class__ = Leaking
    return clean


@pytest.mark.parametrize(
    ("made", "where"),
    [
        *(
            (made, "question")
            for made in (
                gpqa,
                hotpotqa,
                locomo,
                longmemeval,
                memory_agent_bench,
                recall,
                squad,
            )
        ),
        *((made, "instructions") for made in (gpqa, hotpotqa)),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_planted_references_are_found(
    made: Callable[[Path], Benchmark], where: str, tmp_path: Path
) -> None:
    benchmark = leaking(made, tmp_path, where=where)
    few = [sample for sample in benchmark.samples() if not sample.options]
    found = {sample.id for sample, _ in given_away(benchmark, few)}
    assert {sample.id for sample in few} <= found


@pytest.mark.parametrize("protocol", ["benchmark", "paper"])
def test_real_files_give_nothing_away(protocol: str, data_folder: Path, locomo_file: Path) -> None:
    """HotpotQA's yes and no, LoCoMo's names: in the directions of every question alike."""
    made: list[Benchmark] = [Locomo(path=str(locomo_file), protocol=protocol)]
    hotpot = data_folder / "real" / "hotpotqa_dev_100.json"
    if hotpot.is_file():
        made.append(HotpotQA(path=str(hotpot), protocol=protocol))
    paragraphs = data_folder / "real" / "squad2_dev.json"
    if paragraphs.is_file():
        made.append(Squad(path=str(paragraphs), unanswerable=protocol == "paper"))
    for benchmark in made:
        few = first_of_histories(benchmark, 30)
        assert list(given_away(benchmark, few)) == []


def test_where_all_have_one_reference_nothing_can_be_told(tmp_path: Path) -> None:
    """The two made-up rows of HotpotQA have the same answer."""
    clean, leaky = hotpotqa(tmp_path), leaking(hotpotqa, tmp_path, where="question")
    few = first_of_histories(clean, 2)
    assert can_tell(clean, few)
    assert not can_tell(leaky, few)


@pytest.mark.parametrize("made", BENCHMARKS, ids=lambda made: made.__name__)
def test_what_is_asked_stands_in_the_question(
    made: Callable[[Path], Benchmark],
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once, so that the rest is directions; options that are listed stand there too."""
    if made is ifeval:
        monkeypatch.setenv("NLTK_DATA", str(request.getfixturevalue("nltk_data")))
    benchmark = made(tmp_path)
    benchmark.load()
    for sample in benchmark.samples():
        assert sample.asked
        assert sample.question.count(sample.asked) == 1
        assert all(option in sample.question for option in sample.options)
