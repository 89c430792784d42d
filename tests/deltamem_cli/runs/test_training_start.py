"""``train adapter=``: a training that begins with the weights of another."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from deltamem.adapter.weights import WEIGHTS, stored_sha

SHIPPED = Path(str(files("deltamem") / "tiny" / "adapters" / "tsw"))
QUICK = (
    *("training.batch_size=1", "training.micro_batch_size=1", "training.steps=1"),
    *("training.data.held_out=0", "training.data.max_facts=1"),
)


@pytest.fixture
def start(cli: Callable[..., Any]) -> Callable[..., Path]:
    def call(*words: str) -> Path:
        done = cli("train", "-q", "--json", *QUICK, f"adapter={SHIPPED}", *words)
        assert done.code == 0, done.err
        return Path(json.loads(done.out)["path"])

    return call


def test_a_training_begins_with_the_weights_of_an_adapter(start: Callable[..., Path]) -> None:
    begun = start("training.learning_rate=1e-9")
    first, after = (load_file(folder / WEIGHTS) for folder in (SHIPPED, begun))
    assert first.keys() == after.keys()
    for name, weight in first.items():
        assert after[name].allclose(weight, rtol=0, atol=1e-8), name  # one step of 1e-9
    card = (begun / "README.md").read_text()
    (line,) = [line for line in card.splitlines() if "started from" in line]
    assert stored_sha(SHIPPED)[:12] in line
    assert str(SHIPPED.parent) not in line


def test_its_key_holds_the_weights_and_not_their_folder(
    start: Callable[..., Path], cli: Callable[..., Any]
) -> None:
    one = start()
    assert start(f"adapter={one}") not in (one, start("adapter=null"))
    done = cli("train", *QUICK, f"adapter={SHIPPED}")
    assert "is complete already" in done.err


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["memory.rank=4"], 2, "has memory.rank=8, but this training asks for 4: set the value"),
        (["writer=msw"], 2, "has memory.writer="),
        (["method=context2lora"], 2, "method=context2lora starts from fresh weights; leave"),
        (["adapter=nowhere/here/x"], 4, "nowhere/here/x"),
    ],
)
def test_what_does_not_fit_is_refused(
    cli: Callable[..., Any], words: list[str], code: int, sentence: str
) -> None:
    done = cli("train", *QUICK, f"adapter={SHIPPED}", *words)
    assert done.code == code, done.err
    assert sentence in done.err
    assert "Traceback" not in done.err
