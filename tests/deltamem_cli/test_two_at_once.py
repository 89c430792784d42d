"""A run folder that another process works in: one sentence, and nothing is touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deltamem.training import only_run

FEW = ("training.steps=1", "training.batch_size=2", "training.micro_batch_size=2")
TRAIN = ("train", "model=tiny", *FEW, "training.data.held_out=2")
PRETRAIN = (
    *("pretrain", *FEW, "copy_steps=1", "backbone.layers=1", "backbone.width=32"),
    "backbone.window=384",
)


@pytest.mark.parametrize(
    ("words", "made"), [(TRAIN, "adapter"), (PRETRAIN, "model")], ids=lambda word: word[0]
)
def test_the_second_process_is_refused(
    words: tuple[str, ...], made: str, cli: Callable[..., Any]
) -> None:
    assert cli(*words).code == 0
    (run,) = (path.parent for path in Path("runs").glob(f"*/{made}"))
    shutil.rmtree(run / made)
    with only_run(run):
        refused = cli(*words)
    assert refused.code == 1
    assert refused.err.splitlines()[-1] == (
        f"error: another process is training in {run}: wait for it, or name another folder with "
        "runs_dir=FOLDER"
    )
    assert not (run / made).exists()
    assert cli(*words).code == 0
    assert (run / made).is_dir()
