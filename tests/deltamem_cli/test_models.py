"""Backbones by config: pinned commits, any id, a date that is a part of the run, quantisation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deltamem.backbone import tiny_folder
from deltamem_cli.settings.groups import options
from deltamem_cli.settings.job import run_config

ANY = ("model=hf", f"model.id={tiny_folder()}")
FEW = ("method=frozen", "bench=recall", "bench.dialogues=1", "bench.facts=[1]")
QUANTISED = "the backbone's weights are quantised to 4bit"


def revision(*words: str) -> str | None:
    seen: list[Any] = []
    run_config("eval", seen.append, list(words))
    return seen[0].tree["model"]["revision"]


@pytest.mark.parametrize("model", [name for name in options("model") if name not in ("hf", "tiny")])
def test_a_commit_is_pinned_for_the_id_it_belongs_to(model: str) -> None:
    pinned = revision(f"model={model}")
    assert pinned is not None
    assert len(pinned) == 40
    assert int(pinned, 16)
    assert revision(f"model={model}", "model.id=some/other") is None
    assert revision(f"model={model}", "model.revision=abc") == "abc"


def record(done: Any) -> dict[str, Any]:
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_any_model_by_its_id(cli: Callable[..., Any]) -> None:
    plain = record(cli("eval", *ANY, *FEW, "--json"))
    backbone = plain["provenance"]["backbone"]
    assert backbone["model"] == tiny_folder().name
    assert (backbone["model_attention"], backbone["model_dtype"]) == (["sdpa"], ["float32"])
    assert QUANTISED not in plain["deviations"]
    other_day = record(cli("eval", *ANY, *FEW, "model.template_date=2025-07-02", "--json"))
    switched = record(cli("eval", *ANY, *FEW, "+model.template_kwargs.loud=true", "--json"))
    assert len({r["cell"] for r in (plain, other_day, switched)}) == 3
    done = cli("eval", "model=hf", *FEW)
    assert (done.code, done.out) == (2, "")
    assert "model.id must be given: add model.id=VALUE" in done.err
    done = cli("eval", *ANY, *FEW, "model.template_date=soon")
    assert (done.code, done.err.count("\nerror: ")) == (2, 1)  # after what is loaded


def test_a_quantised_backbone_is_a_deviation(cli: Callable[..., Any]) -> None:
    made = record(cli("eval", *ANY, *FEW, "model.quantization=4bit", "--json"))
    assert QUANTISED in made["deviations"]
    assert made["provenance"]["backbone"]["model_quantization"] == "4bit"
    steps = ("training=recall", "training.steps=1", "training.batch_size=2")
    trained = record(cli("train", *ANY, *steps, "model.quantization=4bit", "--json"))
    card = (Path(trained["path"]) / "README.md").read_text()
    assert "| quantised to | 4bit |" in card
    done = cli("eval", *ANY, *FEW, "model.quantization=2bit")
    assert (done.code, done.err.count("\nerror: ")) == (2, 1)  # after what is loaded
    assert "quantization is '2bit'; choose one of 4bit, 8bit" in done.err
