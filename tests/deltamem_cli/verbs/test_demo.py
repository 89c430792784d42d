"""``deltamem demo``: the table and the figure, and what it says where an adapter is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deltamem.backbone import tiny_folder

WRITERS = ("msw", "ssw", "tsw")
SMALL = (
    "scenes.tiny.facts=[1,2]",
    "scenes.tiny.controls=[foreign,zero]",
    "dialogues=1",
    "live_steps=1",
)


def test_the_table_and_the_figure(cli: Callable[..., Any]) -> None:
    done = cli("demo", *SMALL)
    assert done.code == 0, done.err
    header, _, *rows = [line.split(" | ") for line in done.out.splitlines() if "|" in line]
    assert [word.strip("| ") for word in header[:6]] == [
        *("exact match, %", "1 fact", "2 facts", "two hops", "updates", "tokens in prompt")
    ]
    assert [row[0].strip("| ") for row in rows] == [
        *("frozen, dialogue in view", "frozen, dialogue gone"),
        *(f"δ-mem {writer}" for writer in WRITERS),
        "δ-mem tsw, trained just now",
        *("δ-mem msw, control=foreign", "δ-mem msw, control=zero"),
    ]
    assert [row[1].split()[0] for row in rows] == ["100", "0", "100", "100", "100", "0", "0", "0"]
    assert (
        "zero and foreign are the same adapter with an empty and another dialogue's state"
        in done.out
    )
    page = Path("runs/demo/README.md").read_text(encoding="utf-8")
    assert page.strip() == done.out.strip()
    assert Path("runs/demo/recall.svg").is_file()


TRAIN = "deltamem train model=smollm2-135m writer=msw"


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["model=smollm2-135m", "model.adapters.msw=/nowhere/x"], 4, f"make one with `{TRAIN}`"),
        (["model=smollm2-135m", "model.adapters=null"], 4, f"make one with `{TRAIN}`"),
        (["model=qwen3-4b"], 2, "model=qwen3-4b to show; choose one of tiny, smollm2-135m"),
        (["model=smollm2-135m", "table=1"], 2, "model=smollm2-135m is too slow"),
    ],
    ids=str,
)
def test_what_it_cannot_show(
    words: list[str], code: int, sentence: str, cli: Callable[..., Any]
) -> None:
    done = cli("demo", *words)
    assert (done.code, done.out) == (code, "")
    assert sentence in done.err
    assert len(done.err.splitlines()) == 1


def test_a_backbone_that_is_not_here(
    cli: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    adapters = [f"model.adapters.{w}={tiny_folder() / 'adapters' / w}" for w in WRITERS]
    done = cli("demo", "model=smollm2-135m", *adapters)
    assert done.code == 4
    assert "run `deltamem fetch model=smollm2-135m`" in done.err


def test_a_shipped_adapter_that_is_not_here_is_none(cli: Callable[..., Any]) -> None:
    words = ("model=smollm2-135m", "writer=msw", "context=none", "bench=facts")
    done = cli("doctor", *words, "model.adapters.msw=/nowhere/x", "--json")
    assert f"trained weights: `{TRAIN}`" in json.loads(done.out)["missing"]
