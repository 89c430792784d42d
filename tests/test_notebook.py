"""The notebook in examples runs as it stands, and prints what it is shown to print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from deltamem_base.user_cache import user_cache

NOTEBOOK = Path(__file__).parent.parent / "examples" / "memory_in_ten_minutes.ipynb"
FETCHED, RAMBLES = "smollm2", "rambles"
"""Tags of the cells that need a language model, which ``deltamem fetch`` brings, and of those in
which it goes on at length: rounding decides some of the words."""


def printed(cell: Any) -> str:
    """What a cell has printed, in however many messages; pictures differ between machines."""
    outputs = cell.get("outputs", [])
    return "".join(out["text"] for out in outputs if out.get("name") == "stdout")


def pictures(cell: Any) -> int:
    return sum("image/png" in out.get("data", {}) for out in cell.get("outputs", []))


def needs_model(cell: Any) -> bool:
    return FETCHED in cell.metadata.get("tags", ())


def run_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, with_model: bool) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shown = nbformat.read(NOTEBOOK, as_version=4)
    shown.cells = [cell for cell in shown.cells if with_model or not needs_model(cell)]
    run = nbformat.from_dict(shown)
    NotebookClient(run, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    for cell, as_shown in zip(run.cells, shown.cells, strict=True):
        if RAMBLES not in cell.metadata.get("tags", ()):
            assert printed(cell) == printed(as_shown), cell.source
        assert pictures(cell) == pictures(as_shown), cell.source


def test_the_embedded_part_runs_and_prints_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_as_shown(tmp_path, monkeypatch, with_model=False)


@pytest.mark.skipif(
    not (user_cache() / "assets" / "smollm2-135m").is_dir(),
    reason="needs `deltamem fetch model=smollm2-135m`",
)
def test_the_whole_runs_where_the_language_model_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_as_shown(tmp_path, monkeypatch, with_model=True)
