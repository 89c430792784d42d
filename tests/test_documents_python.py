"""Every Python block of the documents runs as it stands, and prints what its last comments say."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from types import ModuleType

import pytest
from conftest import ROOT

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
DOCUMENTS = ("README.md", *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")))
BLOCKS = [
    pytest.param(block, id=f"{document}-{number}")
    for document in DOCUMENTS
    for number, block in enumerate(BLOCK.findall((ROOT / document).read_text(encoding="utf-8")), 1)
]


def said_to_print(block: str) -> list[str]:
    """The comments that end a block."""
    lines = block.rstrip().splitlines()
    first = next(i for i in range(len(lines), 0, -1) if not lines[i - 1].startswith("# "))
    return [line.removeprefix("# ") for line in lines[first:]]


def test_there_are_blocks_that_print() -> None:
    assert any(said_to_print(parameter.values[0]) for parameter in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs_and_prints_what_it_says(block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("block")
    monkeypatch.setitem(sys.modules, "block", module)  # dataclasses look their module up
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(block, "block", "exec"), vars(module))
    assert printed.getvalue().splitlines() == said_to_print(block)
