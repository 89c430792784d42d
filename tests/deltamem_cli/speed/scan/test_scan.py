"""The figures of the scan, in small; and its memory, which is counted and not timed."""

from __future__ import annotations

import pytest
import torch

from deltamem.delta_rule.compiling import compiler
from deltamem_cli.speed.peak_memory import peak_bytes
from deltamem_cli.speed.scan.scan import cpu_figures, memory_figures

MOST_MEMORY = 4.0
"""Issue 7, at T=8192; what is shorter shares a work space of some MB, whatever its length."""

SCALARS = 64
"""Bytes: torch makes tensors of constants."""


def test_every_figure_of_every_form() -> None:
    ticks: list[tuple[int, int]] = []
    found = list(cpu_figures(lambda *now: ticks.append(now), tokens=64, span=(8, 64), rounds=1))
    forms = ["cpp", "torch"] if compiler() else ["torch"]
    names = [f"scan.{what}" for what in ("forward", "train", "linear", "floor", "memory")]
    assert [one.name for one in found] == [name for name in names for _ in forms]
    for one in found:
        low, high = one.spread
        assert 0 < low <= one.ratio <= high < float("inf")
        assert any(form in one.setting for form in forms)
    assert all(done <= total for done, total in ticks)


@pytest.mark.parametrize("tokens", [8192, 32_768])
def test_memory_of_forward_and_backward(tokens: int) -> None:
    for one in memory_figures(tokens=tokens):
        assert one.ratio <= MOST_MEMORY, one


def test_peak_counts_what_was_there_at_once() -> None:
    def work() -> None:
        first = torch.ones(1000)
        second = first + 1
        del first
        second[:500] += torch.ones(500)

    assert 0 <= peak_bytes(work) - 4 * 2000 <= SCALARS
