"""Flushing lasts as long as a run, and no longer."""

from __future__ import annotations

import torch

from deltamem_cli.runs.flush_to_zero import flush_to_zero


def test_denormals_are_zero_inside_only() -> None:
    tiny = torch.full((8,), 1e-30)
    assert (tiny * 1e-10).count_nonzero() == 8
    with flush_to_zero():
        assert (tiny * 1e-10).count_nonzero() == 0
    assert (tiny * 1e-10).count_nonzero() == 8
