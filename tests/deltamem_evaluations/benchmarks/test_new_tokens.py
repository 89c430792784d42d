"""Every benchmark takes a limit of new tokens; another one than the protocol's is marked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from good_rows import CASES
from sentence_splitter import write_splitter

from deltamem_base.faults import InvalidInput
from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.benchmarks.facts import Facts
from deltamem_evaluations.benchmarks.recall import Recall
from deltamem_evaluations.benchmarks.throughput import Throughput

GENERATED: dict[str, Callable[..., Benchmark]] = {
    "facts": Facts,
    "recall": Recall,
    "throughput": Throughput,
}
MEASURES_LENGTHS = "throughput"
"""The benchmark of which the limit is what it is about, and no protocol's."""
OF_NO_PROTOCOL = "jsonl"
"""Questions of a user's own, who alone says how long an answer may be."""
LIMITS = {
    ("locomo", "benchmark"): {50},
    ("locomo", "paper"): {50},
    ("longmemeval", "benchmark"): {500},
    ("hotpotqa", "benchmark"): {32},
    ("squad", "benchmark"): {32},
    ("gpqa", "benchmark"): {8192},
    ("ifeval", "benchmark"): {1280},
    ("ifeval", "paper"): {1500},
    ("memory_agent_bench", "benchmark"): {10},
    ("facts", "benchmark"): {24},
    ("recall", "benchmark"): {24},
}
OTHER = 7


@pytest.fixture(scope="module", autouse=True)
def _splitter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLTK_DATA", str(write_splitter(tmp_path_factory.mktemp("nltk_data"))))
        yield


@pytest.fixture
def made(tmp_path: Path) -> Callable[..., Benchmark]:
    def make(name: str, protocol: str = "benchmark", **settings: Any) -> Benchmark:
        if name in CASES:
            path = tmp_path / "rows.json"
            path.write_text(json.dumps(CASES[name].rows))
            settings["path"] = str(path)
        if name == "memory_agent_bench":  # whose sources have a limit each
            settings["sources"] = ["factconsolidation_*"]
        if protocol != "benchmark":
            settings["protocol"] = protocol
        benchmark = (CASES[name].make if name in CASES else GENERATED[name])(**settings)
        benchmark.load()
        return benchmark

    return make


def limits(benchmark: Benchmark) -> set[int]:
    return {benchmark.decoding(sample).max_new_tokens for sample in benchmark.samples()}


def test_every_benchmark_is_here() -> None:
    names = {path.stem for path in (ROOT / "conf" / "bench").glob("*.yaml")}
    assert {name for name, _ in LIMITS} == names - {MEASURES_LENGTHS, OF_NO_PROTOCOL}


@pytest.mark.parametrize(("name", "protocol"), LIMITS, ids=str)
def test_the_protocols_limit_and_another(
    name: str, protocol: str, made: Callable[..., Benchmark]
) -> None:
    usual = made(name, protocol)
    assert limits(usual) == LIMITS[name, protocol]
    (wanted,) = LIMITS[name, protocol]
    named = made(name, protocol, max_new_tokens=wanted)
    assert named.fingerprint() == usual.fingerprint()
    assert named.data() == usual.data()
    other = made(name, protocol, max_new_tokens=OTHER)
    assert limits(other) == {OTHER}
    assert other.fingerprint() != usual.fingerprint()
    assert other.data().deviations == (
        *usual.data().deviations,
        f"answers may have {OTHER} new tokens instead of the protocol's {wanted:,}",
    )
    assert other.data().content == usual.data().content
    with pytest.raises(InvalidInput, match=r"max_new_tokens is 0; it must be at least 1"):
        made(name, protocol, max_new_tokens=0)


def test_a_limit_that_is_measured_is_no_deviation(made: Callable[..., Benchmark]) -> None:
    assert made(MEASURES_LENGTHS, max_new_tokens=OTHER, tokens=64).data().deviations == ()


def test_several_limits_of_one_protocol(tmp_path: Path) -> None:
    """MemoryAgentBench has one for each source."""
    rows = [
        {
            "context": "A fact.",
            "questions": ["What?"],
            "answers": [["a"]],
            "metadata": {"source": source},
        }
        for source in ("factconsolidation_sh_6k", "eventqa_65536")
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    make = CASES["memory_agent_bench"].make
    benchmark = make(path=str(tmp_path / "rows.json"), max_new_tokens=OTHER)
    benchmark.load()
    assert benchmark.data().deviations[-1] == (
        f"answers may have {OTHER} new tokens instead of the protocol's 10 to 40"
    )
