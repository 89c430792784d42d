"""Every Python block of the documents runs as it stands, and prints what its last comments say."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from types import ModuleType

import pytest
from document_blocks import DOCUMENTS, Block, blocks, forgotten_modules, name_of

BLOCKS = [
    pytest.param(block, document, id=f"{name_of(document)}-{number}")
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


def modules_above(block: Block, document: Path) -> Sequence[Block]:
    """Files of Python that a reader has when a block's turn comes, the block among them."""
    above = [*takewhile(lambda one: one != block, blocks(document)), block]
    return [one for one in above if one.module]


@pytest.mark.parametrize(("block", "document"), BLOCKS)
def test_a_block_runs_and_prints_what_it_says(
    block: Block, document: Path, in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = compile(block.text, "block", "exec")
    if block.skipped:
        return
    with forgotten_modules(document), contextlib.redirect_stdout(io.StringIO()) as printed:
        monkeypatch.syspath_prepend(in_folder)
        for one in modules_above(block, document):
            (in_folder / str(one.file)).write_text(one.text, encoding="utf-8")
        if block.module:
            import_module(block.module)
        else:
            module = ModuleType("block")
            monkeypatch.setitem(sys.modules, "block", module)  # dataclasses look their module up
            exec(code, vars(module))
    assert printed.getvalue().splitlines() == said_to_print(block.text)
