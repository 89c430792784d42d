"""Every Python block of the documents runs as it stands, and prints what its last comments say."""

from __future__ import annotations

import contextlib
import io
import sys
from types import ModuleType

import pytest
from document_blocks import DOCUMENTS, Block, blocks, name_of

BLOCKS = [
    pytest.param(block, id=f"{name_of(document)}-{number}")
    for document in DOCUMENTS
    for number, block in enumerate((b for b in blocks(document) if b.kind == "python"), 1)
]


def said_to_print(block: str) -> list[str]:
    """The comments that end a block."""
    lines = block.rstrip().splitlines()
    first = next(i for i in range(len(lines), 0, -1) if not lines[i - 1].startswith("# "))
    return [line.removeprefix("# ") for line in lines[first:]]


def test_there_are_blocks_that_print() -> None:
    assert any(said_to_print(parameter.values[0].text) for parameter in BLOCKS)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs_and_prints_what_it_says(
    block: Block, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = compile(block.text, "block", "exec")
    if block.skipped:
        return
    module = ModuleType("block")
    monkeypatch.setitem(sys.modules, "block", module)  # dataclasses look their module up
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, vars(module))
    assert printed.getvalue().splitlines() == said_to_print(block.text)
