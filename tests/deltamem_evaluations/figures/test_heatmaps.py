"""Heat-maps from plain arrays: what is drawn, where, and always the same."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from deltamem_base.faults import CannotWrite
from deltamem_evaluations.figures.heatmaps import Heatmap, draw_heatmaps, matrix_mosaic

TURNS = Heatmap(
    title="norm of S",
    values=[[0.0, 1.0, 2.0], [3.0, 4.0, math.nan]],
    rows=["0", "35"],
    columns=["1", "2", "3"],
)


def test_an_svg_has_its_labels_and_is_always_the_same(tmp_path: Path) -> None:
    _, first = draw_heatmaps([TURNS, TURNS], title="a < b", path=tmp_path / "first")
    _, again = draw_heatmaps([TURNS, TURNS], title="a < b", path=tmp_path / "again")
    assert first.read_bytes() == again.read_bytes()
    root = ET.fromstring(first.read_text())
    assert root.tag.endswith("svg")
    shown = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert shown.count("norm of S") == shown.count("layer") == shown.count("turn") == 2
    assert {"a < b", "35", "3"} <= set(shown)


def test_files_have_the_colours_of_the_values(tmp_path: Path) -> None:
    files = draw_heatmaps([TURNS], title="", path=tmp_path / "new" / "a.b")
    assert [file.name for file in files] == ["a.b.png", "a.b.svg"]
    pixels = imread(files[0])
    assert pixels.shape[0] > 200
    darkest, brightest = (0.267, 0.005, 0.329), (0.993, 0.906, 0.144)  # ends of viridis
    for colour in (darkest, brightest):
        assert np.any(np.all(np.abs(pixels[..., :3] - colour) < 0.01, axis=-1))


def test_constant_and_empty_values_draw(tmp_path: Path) -> None:
    flat = Heatmap(title="zero", values=[[0.0]], rows=["0"], columns=["1"])
    blank = Heatmap(title="none", values=[[math.nan]], rows=["0"], columns=["1"], signed=True)
    _, svg = draw_heatmaps([flat, blank, flat], title="", path=tmp_path / "a")
    assert "zero" in svg.read_text()


def test_many_turns_have_few_labels(tmp_path: Path) -> None:
    wide = Heatmap(
        title="wide",
        values=[[float(i) for i in range(500)]] * 36,
        rows=[str(i) for i in range(36)],
        columns=[f"t{i}" for i in range(500)],
    )
    _, svg = draw_heatmaps([wide], title="", path=tmp_path / "a")
    labels = re.findall(r">t\d+<", svg.read_text())
    assert 10 < len(labels) <= 24


def test_a_mosaic_keeps_every_entry_in_its_place() -> None:
    matrices = [
        [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]],
        [[[9.0, 10.0], [11.0, 12.0]], [[13.0, 14.0], [15.0, 16.0]]],
    ]
    mosaic = matrix_mosaic(matrices, ["4", "7"], title="S")
    gap = math.nan
    wanted = [
        [1, 2, gap, 5, 6],
        [3, 4, gap, 7, 8],
        [gap] * 5,
        [9, 10, gap, 13, 14],
        [11, 12, gap, 15, 16],
    ]
    np.testing.assert_equal(mosaic.values, wanted)
    assert list(mosaic.rows) == ["", "4", "", "", "7"]
    assert list(mosaic.columns) == ["", "0", "", "", "1"]


def test_what_cannot_be_drawn_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    old = tmp_path / "memory.png"
    old.write_bytes(b"old")
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)
    panel = Heatmap(title="a", values=[[0.0]], rows=["0"], columns=["0"])
    with pytest.raises(CannotWrite, match="memory.png cannot be written"):
        draw_heatmaps([panel], title="t", path=tmp_path / "memory")
    assert old.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [old]
