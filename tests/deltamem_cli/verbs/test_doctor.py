"""``deltamem doctor``: sizes without weights, and a list of what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deltamem import load_tiny

FEW = ("bench.dialogues=1", "bench.facts=[1,2]")


def facts(done: Any) -> dict[str, str]:
    found: dict[str, str] = json.loads(done.out)["facts"]
    return found


def test_nothing_is_missing_of_the_embedded_backbone(cli: Callable[..., Any]) -> None:
    done = cli("doctor", *FEW, "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    assert content["missing"] == []
    count = sum(p.numel() for p in load_tiny().model.parameters())
    assert content["facts"]["backbone"] == f"{count:,} parameters"
    assert "new ones at most" in content["facts"]["tokens"]
    assert content["facts"]["scan"].endswith(" for single tokens")
    assert cli("doctor", *FEW).out.endswith("nothing is missing\n")


CPU = Path("/proc/cpuinfo")


@pytest.mark.skipif(not CPU.is_file(), reason="Linux alone lists what a CPU has")
def test_it_says_whether_the_cpu_has_numbers_of_16_bits(cli: Callable[..., Any]) -> None:
    said = facts(cli("doctor", *FEW, "runtime=cpu_bfloat16", "--json"))
    has = CPU.read_text().split()
    assert ("CPU has AMX: runtime=cpu_bfloat16 trains faster" in said["16 bits"]) is (
        "amx_tile" in has
    )
    assert ("neither AMX nor avx512_bf16" in said["16 bits"]) is (
        not {"amx_tile", "avx512_bf16"} & set(has)
    )
    assert said["attention"].startswith("eager")


def test_the_papers_sizes_without_its_weights(cli: Callable[..., Any]) -> None:
    words = ("model=qwen3-4b", "training=recall", "training.steps=1", "training.batch_size=1")
    done = cli("doctor", "train", *words, "--json")
    assert done.code == 4
    assert facts(done)["backbone"] == "4,022,468,096 parameters"
    assert facts(done)["trained"].startswith("4,866,336 parameters (0.12 %")
    assert "GiB" not in facts(done)["memory"]
    missing, *_ = json.loads(done.out)["missing"]  # and memory, on a small machine
    assert missing.startswith("the weights of Qwen/Qwen3-4B-Instruct-2507: `hf download")


def test_everything_that_is_missing_is_listed(cli: Callable[..., Any]) -> None:
    words = ("model=qwen3-8b", "bench=locomo", "bench.path=nowhere.json", "context=none")
    missing = json.loads(cli("doctor", "eval", *words, "--json").out)["missing"]
    assert len(missing) == 3
    assert "weights of Qwen/Qwen3-8B" in missing[0]
    assert missing[1] == "trained weights: `deltamem train model=qwen3-8b writer=tsw`"
    assert "nowhere.json" in missing[2]


def test_a_baseline_asks_for_its_own_weights(cli: Callable[..., Any]) -> None:
    missing = json.loads(cli("doctor", *FEW, "method=memgen", "--json").out)["missing"]
    assert missing == ["trained weights: `deltamem train model=tiny method=memgen`"]
    assert json.loads(cli("doctor", *FEW, "method=frozen", "--json").out)["missing"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["method=llmlingua2"], "or train one here with `deltamem train method=llmlingua2`"),
        (["method=llmlingua2", "method.compressor=some/model"], "hf download some/model"),
        (["method=llmlingua2", "method.rate=1"], None),
        (["method=memorybank", "method.embedder=nowhere"], "the embedder nowhere is not a folder"),
        (["method=memorybank", "method.embedder=backbone"], None),
    ],
)
def test_a_method_with_a_model_of_its_own_says_where_it_is_not(
    words: list[str], said: str | None, cli: Callable[..., Any], tmp_path: Path
) -> None:
    done = cli("doctor", *words, "model=tiny", "bench=recall", f"runs_dir={tmp_path}")
    if said is None:
        assert done.code == 0, done.out + done.err
    else:
        assert done.code == 4
        assert said in " ".join((done.out + done.err).split())


def test_memorybank_asks_for_its_text_encoder(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = cli("doctor", *FEW, "method=memorybank", "--json")
    assert done.code == 4
    (missing,) = json.loads(done.out)["missing"]
    assert missing.startswith("minilm (the text encoder all-MiniLM-L6-v2, 92 MB) is not on this")
    assert missing.endswith("run `deltamem fetch model=minilm`")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["chat"], "doctor examines eval or train, not 'chat'"),
        (["train", "writer=tws"], "no writer 'tws'"),
        (["eval", "bench.nope=1"], "there is no setting 'bench.nope'"),
    ],
)
def test_what_it_does_not_look_at(words: list[str], sentence: str, cli: Callable[..., Any]) -> None:
    done = cli("doctor", *words)
    assert done.code == 2
    assert sentence in done.err
