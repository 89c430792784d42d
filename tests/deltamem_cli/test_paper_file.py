"""The published numbers are found from anywhere."""

from __future__ import annotations

from pathlib import Path

from deltamem_cli.published_numbers import paper_file
from deltamem_evaluations.paper.numbers import Paper


def test_the_published_numbers_are_found(in_folder: Path) -> None:
    assert "table1" in Paper.read(paper_file()).tables
