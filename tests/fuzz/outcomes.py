"""The outcomes that are allowed: an answer, or one sentence with an exit code of the README."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deltamem_base.faults import Fault

EXITS = (0, 1, 2, 3, 4, 5)
ROUNDS = int(os.environ.get("DELTAMEM_FUZZ_ROUNDS", "1000"))
"""Damaged files of each kind in the long run."""


def outcome(read: Callable[[], Any]) -> Any:
    """What a reader returns, or the fault that it ends in.

    Raises:
        AssertionError: a fault that is no single sentence.
        Exception: whatever else the reader raises, which is what we are looking for.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn of the settings of damaged models
        try:
            return read()
        except Fault as fault:
            check_sentence(str(fault))
            assert fault.exit_code in EXITS
            return fault


def check_sentence(text: str) -> None:
    """It says something; the screen makes one line of it, however much of a file is in it."""
    assert text.strip()
    assert "Traceback" not in text


def check_nothing_ran(folder: Path) -> None:
    """No damaged file had a command run: NONSENSE has one that makes a file."""
    assert not (folder / "EVIL").exists()
    assert not Path("EVIL").exists()
