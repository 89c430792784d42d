"""The command line, called in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass(frozen=True)
class Done:
    """How a verb ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], in_folder: Any) -> Callable[..., Done]:
    """``cli("eval", "bench=recall")`` in a fresh folder."""
    from deltamem_cli.app import app
    from deltamem_cli.exits import exit_with

    def call(*words: str) -> Done:
        code = exit_with(lambda: app(list(words)))
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call
