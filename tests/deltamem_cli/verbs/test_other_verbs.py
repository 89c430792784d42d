"""``train``, ``parity``, ``list``, ``show`` and ``report`` as a user meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

QUICK = (
    "training.steps=2",
    "training.batch_size=2",
    "training.micro_batch_size=2",
    "training.data.held_out=2",
    "training.data.max_facts=2",
)


@pytest.mark.parametrize("writer", ["tsw", "ssw", "msw"])
def test_train_then_evaluate_what_was_trained(writer: str, cli: Callable[..., Any]) -> None:
    done = cli("train", f"writer={writer}", *QUICK, "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert {"path", "loss", "held_out_em", "step"} <= set(summary)
    adapter = Path(summary["path"])
    assert {p.name for p in adapter.iterdir()} == {
        "README.md",
        "delta_mem_adapter.safetensors",
        "delta_mem_config.json",
    }
    again = cli("train", f"writer={writer}", *QUICK)
    assert again.code == 0
    assert "is complete already" in again.err
    done = cli(
        "eval", f"writer={writer}", "context=none", "bench.dialogues=1", "bench.facts=[1]", "--json"
    )
    from deltamem import load_adapter, load_tiny

    trained = load_adapter(adapter, load_tiny()).sha
    assert json.loads(done.out)["provenance"]["method"]["adapter_sha"] == trained


def test_train_on_a_file(cli: Callable[..., Any]) -> None:
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"Today Ada is in Oslo. {i}"},
                {"role": "user", "content": "Where is Ada today?"},
                {"role": "assistant", "content": "Today Ada is in Oslo."},
            ]
        }
        for i in range(6)
    ]
    Path("e.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    words = ("training=jsonl", "training.data.path=e.jsonl", "training.data.held_out=2")
    done = cli("train", *words, "training.batch_size=2", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["steps"] == 2
    Path("e.jsonl").write_text('{"messages": []}\n')
    done = cli("train", *words)
    assert done.code == 2
    assert "e.jsonl, line 1: the last message must be" in done.err


def test_train_without_the_weights(cli: Callable[..., Any]) -> None:
    small = ("training=recall", "training.steps=1", "training.micro_batch_size=1")
    done = cli("train", "model=qwen3-4b", "writer=ssw", *small, "runtime.dtype=bfloat16")
    assert done.code == 4
    assert "error: the model Qwen/Qwen3-4B-Instruct-2507 is not on this machine" in done.err
    assert "hf download Qwen/Qwen3-4B-Instruct-2507" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_train_without_the_papers_data(cli: Callable[..., Any]) -> None:
    done = cli("train", "model=qwen3-4b", "writer=ssw")
    assert done.code == 4
    assert done.err.startswith("error: allenai/qasper is not on this machine")
    assert "`deltamem fetch`" in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_parity(parity_folder: Path, cli: Callable[..., Any]) -> None:
    done = cli("parity", str(parity_folder / "qwen3_tsw"), "--json")
    assert done.code == 0
    cases = json.loads(done.out)["cases"]
    assert [c["attention"] for c in cases] == ["eager", "sdpa"]
    assert all(
        set(c) == {"name", "attention", "logits", "states", "gradients", "passed"} for c in cases
    )
    assert all(c["passed"] for c in cases)


def test_parity_that_fails(parity_folder: Path, cli: Callable[..., Any]) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    case = Path(shutil.copytree(parity_folder / "qwen3_tsw", "case"))
    tensors = load_file(case / "expected.safetensors")
    tensors["logits"] += 0.01
    save_file(tensors, case / "expected.safetensors")
    done = cli("parity", "case")
    assert done.code == 3
    assert "FAIL" in done.out
    assert "0 of 2 agree" in done.out
    assert cli("parity", "nowhere").code == 4


def test_list(cli: Callable[..., Any]) -> None:
    rows = json.loads(cli("list", "--json").out)["rows"]
    models = [row["name"] for row in rows if row["kind"] == "models"]
    assert models == ["hf", "qwen3-4b", "qwen3-8b", "smollm2-135m", "smollm3-3b", "tiny"]
    done = cli("list", "writers")
    assert [line.split()[0] for line in done.out.splitlines()] == ["msw", "ssw", "tsw"]
    assert cli("list", "things").code == 2
    assert "no runs here yet" in cli("list", "runs").err
    assert cli("list", "runs", "nowhere").code == 4
    assert cli("list", "runs", "a", "b").code == 2
    Path("there/eval__x").mkdir(parents=True)
    assert cli("list", "runs", "there").out == "resumable    there/eval__x\n"


def test_show_needs_no_model(cli: Callable[..., Any]) -> None:
    done = cli("show", "bench=recall", "--json")
    content = json.loads(done.out)
    assert content["samples"] == 920
    assert content["groups"]["single_hop/4"] == 160
    assert "Where is" in cli("show", "bench=recall").out


@pytest.mark.parametrize("verb", ["train", "eval", "report", "demo", "list", "show", "parity"])
def test_help(verb: str, cli: Callable[..., Any]) -> None:
    done = cli(verb, "--help")
    assert done.code == 0
    assert "Usage:" in done.out
