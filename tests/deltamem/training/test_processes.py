"""Shares of several processes: every item once, equally many each."""

from __future__ import annotations

from collections import Counter

import torch
from hypothesis import given
from hypothesis import strategies as st

from deltamem.training import Processes


@given(st.integers(0, 40), st.integers(1, 8))
def test_every_item_counts_once_and_all_processes_meet_equally_often(size: int, count: int) -> None:
    items = list(range(size))
    shares = [Processes(index=i, count=count).share(items) for i in range(count)]
    assert len({len(share) for share in shares}) == 1
    weights: Counter[int] = Counter()
    for share in shares:
        for item, weight in share:
            weights[item] += weight
    assert weights == Counter(items)


@given(st.integers(1, 64), st.integers(1, 8), st.integers(1, 64))
def test_no_process_has_more_than_its_part_of_a_step(
    episodes: int, count: int, wanted: int
) -> None:
    size = Processes(count=count).micro_batch_size(wanted, episodes)
    assert 1 <= size <= wanted
    cut = [min(size, episodes - i) for i in range(0, episodes, size)]
    shares = [Processes(index=i, count=count).share(cut) for i in range(count)]
    busiest = max(sum(n for n, weight in share if weight) for share in shares)
    assert busiest < episodes / count + size


def test_a_micro_batch_as_large_as_a_step_is_shared_all_the_same() -> None:
    assert Processes(count=2).micro_batch_size(16, 16) == 4
    assert Processes(count=2).micro_batch_size(4, 16) == 4
    assert Processes().micro_batch_size(16, 16) == 16


def test_no_process_has_all_that_is_long() -> None:
    lengths = [170, 130, 100, 70]
    shares = [Processes(index=i, count=2).share(lengths) for i in range(2)]
    assert [sum(length for length, _ in share) for share in shares] == [240, 230]


def test_alone_nothing_is_changed() -> None:
    alone, weight = Processes(), torch.ones(2, requires_grad=True)
    weight.sum().backward()
    before = weight.grad
    alone.sum_gradients([weight])
    assert weight.grad is before
    assert alone.totals([1.0, 2.5], device=torch.device("cpu")) == [1.0, 2.5]
    assert alone.main
    assert Processes.current() == alone
    alone.wait()
