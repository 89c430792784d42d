"""Which layers have a memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltamem import DeltaMemConfig, DeltaMemory
from deltamem.layers.depth import THIRDS, layer_indices, name_of_layers
from deltamem_base.faults import InvalidInput


def test_the_papers_thirds_are_twelve_layers_each() -> None:
    thirds = [layer_indices(name, depth=36) for name in THIRDS]
    assert thirds == [tuple(range(12)), tuple(range(12, 24)), tuple(range(24, 36))]


@given(st.integers(1, 80))
def test_thirds_cover_every_layer_once_and_are_as_equal_as_can_be(depth: int) -> None:
    thirds = [layer_indices(name, depth=depth) for name in THIRDS]
    assert [i for third in thirds for i in third] == list(range(depth))
    sizes = [len(third) for third in thirds]
    assert max(sizes) - min(sizes) <= 1
    assert name_of_layers(layer_indices("all", depth=depth), depth=depth) == "all"


def test_names_and_numbers() -> None:
    assert layer_indices(None, depth=3) == layer_indices("all", depth=3) == (0, 1, 2)
    assert layer_indices([2, 0, 2], depth=3) == (0, 2)
    assert name_of_layers((0, 2), depth=3) == "0,2"
    assert name_of_layers((1,), depth=3) == "middle_third"
    with pytest.raises(InvalidInput, match="layers is 'half'; choose one of all, first_third"):
        layer_indices("half", depth=3)
    with pytest.raises(InvalidInput, match="layers is 'half'; choose one of"):
        DeltaMemConfig(layers="half")


def test_a_third_is_stored_as_numbers(make_model: Callable[..., Any]) -> None:
    model = make_model("qwen3")
    memory = DeltaMemory(DeltaMemConfig(layers="last_third", heads=("o",)), model)
    depth = len(model.get_decoder().layers)
    assert memory.config.layers == layer_indices("last_third", depth=depth)
    assert memory.placement == {"heads": "o", "layers": "last_third"}
    assert DeltaMemory(DeltaMemConfig(layers="all"), model).placement["layers"] == "all"
