"""Adapters in 16 bits: half the size, loaded as any other, with a card that says so."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from deltamem import InvalidInput, load_adapter
from deltamem.adapter.card import stated_sha
from deltamem.adapter.files import CARD
from deltamem.adapter.halving import halve_adapter
from deltamem.adapter.weights import WEIGHTS
from deltamem.backbone import tiny_folder

SHIPPED = tiny_folder() / "adapters" / "msw"


def test_half_the_size_and_the_same_to_16_bits(tiny: Any, tmp_path: Path) -> None:
    folder = halve_adapter(SHIPPED, tmp_path / "new" / "folder")
    assert (folder / WEIGHTS).stat().st_size < 0.6 * (SHIPPED / WEIGHTS).stat().st_size
    whole, halved = load_adapter(SHIPPED, tiny), load_adapter(folder, tiny)
    assert halved.config == whole.config
    for name, weight in whole.state_dict().items():
        assert torch.equal(halved.state_dict()[name], weight.half().float()), name
    card = (folder / CARD).read_text(encoding="utf-8")
    assert stated_sha(card) == halved.sha != whole.sha
    assert f"float16, rounded from {whole.sha}" in card


def test_a_weight_too_large_for_16_bits_is_refused(tmp_path: Path) -> None:
    source = Path(shutil.copytree(SHIPPED, tmp_path / "large"))
    weights = load_file(source / WEIGHTS)
    name = next(iter(weights))
    weights[name].view(-1)[0] = 1e5
    save_file(weights, source / WEIGHTS)
    with pytest.raises(InvalidInput, match=f"{name} of .*large for 16 bits"):
        halve_adapter(source, tmp_path / "halved")
    assert not (tmp_path / "halved").exists()
