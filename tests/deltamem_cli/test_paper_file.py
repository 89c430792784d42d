"""The printed numbers of the paper are found from anywhere."""

from __future__ import annotations

from pathlib import Path

from deltamem_cli.paper_file import paper_file
from deltamem_evaluations.paper.numbers import Paper


def test_the_printed_numbers_are_found(in_folder: Path) -> None:
    assert "table1" in Paper.read(paper_file()).tables
