"""The adapters that lie in the repository: whole, in 16 bits, with a card that fits, and small."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import ROOT
from safetensors.torch import load_file

from deltamem.adapter.card import stated_sha
from deltamem.adapter.files import CARD, CONFIG, FORMAT, stored_config
from deltamem.adapter.weights import WEIGHTS, stored_sha

FOLDERS = [path.parent for path in sorted((ROOT / "adapters").rglob(CONFIG))]
MOST_BYTES = 40_000_000


def test_all_together_are_small() -> None:
    sizes = [path.stat().st_size for path in (ROOT / "adapters").rglob("*") if path.is_file()]
    assert sum(sizes) <= MOST_BYTES


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_each_is_whole(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == set(FORMAT)
    assert stored_config(folder).heads
    assert {weight.dtype for weight in load_file(folder / WEIGHTS).values()} == {torch.float16}
    assert stated_sha((folder / CARD).read_text(encoding="utf-8")) == stored_sha(folder)
