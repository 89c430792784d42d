"""Every method from the command line: what it trains, and an evaluation end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deltamem_cli.runs.build import is_trained
from deltamem_cli.settings.groups import options

PAPER = {
    "context2lora": 5_898_240,
    "delta_mem": 4_866_336,
    "memgen": 46_198_788,
    "mlp_memory": 3_078_648_320,
}
"""Trained parameters on Qwen3-4B, from the paper's Table 1."""
SMALL = ("bench.dialogues=1", "bench.facts=[2]", "bench.max_new_tokens=8", "--json")
QUICK = (
    "training.steps=2",
    "training.batch_size=2",
    "training.micro_batch_size=2",
    "training.data.held_out=2",
    "training.data.max_facts=2",
)
OWN = {
    "llmlingua2": ("method.learner.start=scratch",),
    "memorybank": ("method.summaries=false", "method.embedder=backbone"),
    "context2lora_per_context": ("method.examples.form=text", "method.training.steps=2"),
    "mlp_memory": ("method.learner.positions=500", "method.learner.neighbours=8"),
}
"""What keeps a method quick, and from looking for a model of its own."""
NEEDS_MODEL = {
    "llmlingua2": "deltamem train method=llmlingua2",
    "memorybank": "deltamem fetch model=minilm",
}
"""Methods that look for one if nothing else is said, and the command that brings it."""


def test_counts_are_the_papers(cli: Callable[..., Any]) -> None:
    done = cli("list", "methods", "model=qwen3-4b", "--json")
    rows = {row["name"]: row for row in json.loads(done.out)["rows"]}
    assert set(rows) == set(options("method"))
    assert {name: rows[name]["trained_parameters"] for name in PAPER} == PAPER
    assert rows["frozen"]["trained_parameters"] == 0
    assert {row["family"] for row in rows.values()} == {
        "reference",
        "delta-mem",
        "textual",
        "parametric",
        "outside-channel",
    }


def test_counts_follow_the_settings(cli: Callable[..., Any]) -> None:
    done = cli("list", "methods", "model=qwen3-4b", "writer=msw", "--json")
    rows = {row["name"]: row["trained_parameters"] for row in json.loads(done.out)["rows"]}
    assert rows["delta_mem"] == 19_465_344
    assert cli("list", "methods", "model=none").code == 2
    assert cli("list", "writers", "model=tiny").code == 2


@pytest.mark.parametrize("name", options("method"))
def test_from_training_to_a_record(name: str, cli: Callable[..., Any]) -> None:
    own = OWN.get(name, ())
    if is_trained(name):
        done = cli("train", f"method={name}", *QUICK, *own, "--json")
        assert done.code == 0, done.err
        trained = json.loads(done.out)["path"]
        own = ()
    else:
        assert cli("train", f"method={name}", *QUICK).code == 2
    done = cli("eval", f"method={name}", *SMALL, *own)
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["complete"]
    assert record["method"] == name
    assert {"state_bytes", "trained_parameters", "prompt_tokens"} <= set(record["cost"])
    if is_trained(name):
        named = cli("eval", f"method={name}", *SMALL, f"adapter={trained}")
        assert json.loads(named.out)["cell"] == record["cell"]


@pytest.mark.parametrize("name", NEEDS_MODEL)
def test_what_is_missing_is_said(
    name: str, cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))  # nothing was fetched
    done = cli("eval", f"method={name}", *SMALL)
    assert done.code == 4
    assert NEEDS_MODEL[name] in done.err
    assert len(done.err.strip().splitlines()) == 1


@pytest.mark.parametrize("name", [n for n in options("method") if is_trained(n)])
def test_weights_of_something_else(name: str, cli: Callable[..., Any]) -> None:
    Path("empty").mkdir()
    done = cli("eval", f"method={name}", *SMALL, "adapter=empty")
    assert done.code in (2, 4)
    assert "empty" in done.err


def test_an_adapter_for_a_method_without_one(cli: Callable[..., Any]) -> None:
    done = cli("eval", "method=frozen", *SMALL, "adapter=somewhere")
    assert done.code == 2
    assert "has no weights" in done.err
