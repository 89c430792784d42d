"""How many rows are tried side by side."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deltamem.backbone import load_tiny
from deltamem.backbone.batching import LARGEST, fitting_batch, kv_bytes_per_token, rows_in


def test_bytes_of_a_token_are_those_of_the_cache() -> None:
    import torch
    from transformers import DynamicCache

    tiny = load_tiny()
    cache: Any = DynamicCache(config=tiny.model.config)
    tiny.model(input_ids=torch.arange(7)[None], past_key_values=cache)
    held = sum(
        tensor.numel() * tensor.element_size()
        for layer in cache.layers
        for tensor in (layer.keys, layer.values)
    )
    assert kv_bytes_per_token(tiny) * 7 == held


@given(free=st.integers(0, 2**40), row=st.integers(1, 2**36))
def test_rows_fit_and_twice_as_many_do_not(free: int, row: int) -> None:
    rows = rows_in(free, row)
    assert 1 <= rows <= LARGEST
    assert rows & (rows - 1) == 0
    assert rows == 1 or rows * row <= free
    assert rows == LARGEST or 2 * rows * row > free


def test_a_cpu_needs_no_estimate() -> None:
    def never() -> int:
        raise AssertionError

    assert fitting_batch(load_tiny(), tokens=never) == fitting_batch(load_tiny(), tokens=lambda: 1)
