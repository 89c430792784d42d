"""Activations made again: the same gradients with a memory attached, from less that is kept."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from deltamem import DeltaMemConfig, DeltaMemory, load_tiny
from deltamem.backbone import checkpoint_activations
from deltamem.training import Ask, DeltaMemLearner, Episode
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter

WRITERS = {"tsw": TokenWriter(), "ssw": SegmentWriter(), "msw": MultiStateWriter(num_states=2)}
ASK = Ask(visible=[{"role": "user", "content": "Where is Ada?"}], answer="Today in Oslo.")
EPISODES = [
    Episode(
        id=str(number),
        written=[{"role": "user", "content": "Today Ada is in Oslo. " * (4 + number)}],
        asks=(ASK,),
    )
    for number in range(2)
]


def gradients(backbone: Any, writer: Any) -> tuple[list[torch.Tensor], int]:
    """Of the adapter, and how many bytes the forward passes kept for them."""
    memory = DeltaMemory(DeltaMemConfig(writer=writer), backbone.model)
    memory.initialise(backbone.model, seed=0)
    learner = DeltaMemLearner(backbone, memory, write_length=256, read_length=64, gate_target=0.05)
    kept: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    batch = learner.batch(EPISODES)
    with learner.attached():
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            objective = learner.loss(batch)
        (objective.cross_entropy + objective.sparsity).backward()
    return [p.grad for p in learner.parameters()], sum(kept.values())


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_gradients_are_the_same_bits_and_less_is_kept(writer: Any) -> None:
    wanted, everything = gradients(load_tiny(), writer)
    backbone = load_tiny()
    checkpoint_activations(backbone.model)
    got, kept = gradients(backbone, writer)
    assert all(torch.equal(g, w) for g, w in zip(got, wanted, strict=True))
    assert all(g.any() for g in got)
    assert kept < everything / 2
