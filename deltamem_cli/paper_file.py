"""The path of the file of the paper's printed numbers."""

from __future__ import annotations

from pathlib import Path

__all__ = ["paper_file"]


def paper_file() -> Path:
    """``results/paper.yaml`` of a checkout, ``paper.yaml`` in this package of an installation."""
    installed = Path(__file__).parent / "paper.yaml"
    checkout = Path(__file__).parent.parent / "results" / "paper.yaml"
    return installed if installed.is_file() else checkout
