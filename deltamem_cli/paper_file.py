"""Where the published numbers lie: ``results/paper.yaml``."""

from __future__ import annotations

from pathlib import Path

__all__ = ["paper_file"]


def paper_file() -> Path:
    """``results/paper.yaml`` of a checkout, ``paper.yaml`` in this package of an installation."""
    installed = Path(__file__).parent / "paper.yaml"
    checkout = Path(__file__).parent.parent / "results" / "paper.yaml"
    return installed if installed.is_file() else checkout
