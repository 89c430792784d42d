"""What a step computes: no history twice, no empty row, little padding, and the same loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from deltamem import DeltaMemConfig, DeltaMemory
from deltamem.training import (
    Ask,
    Checkpoints,
    DeltaMemLearner,
    Episode,
    TrainingConfig,
    joined_by_history,
    train,
)
from deltamem.training.collate import IGNORED, Batch, EncodedEpisode
from deltamem.training.histories import TOGETHER, micro_batches
from deltamem.training.objective import Objective, answer_loss, learnt_positions
from deltamem.writers import SegmentWriter, TokenWriter

SAME = 1e-5
"""Sums in another order, float32; gradients relative to the largest."""
PLACES = ("Oslo", "Rome", "Bern", "Kiel")


def episode(name: str, *, said: Sequence[str], about: str) -> Episode:
    ask = Ask(visible=[{"role": "user", "content": "Where?"}], answer=f"Today in {about}.")
    written = [{"role": "user", "content": f"Today Ada is in {place}."} for place in said]
    return Episode(id=name, written=written, asks=(ask,))


EPISODES = [
    episode("a1", said=PLACES, about="Oslo"),
    episode("b1", said=PLACES[:1], about="Rome"),
    episode("none", said=(), about="Bern"),
    episode("a2", said=PLACES, about="Kiel"),
    episode("c1", said=PLACES[:2], about="Rome"),
    episode("b2", said=PLACES[:1], about="Lima"),
]
"""Two about the longest history, two about the shortest, one about nothing."""


def learner_for(backbone: Any, writer: Any) -> DeltaMemLearner:
    config = DeltaMemConfig(writer=writer, rank=4)
    memory = DeltaMemory(config, backbone.model).initialise(backbone.model, seed=0)
    return DeltaMemLearner(backbone, memory, write_length=512, read_length=64, gate_target=0.05)


@contextmanager
def forwards(backbone: Any) -> Iterator[list[torch.Size]]:
    """Shapes of all that goes through the backbone meanwhile, padding included."""
    shapes: list[torch.Size] = []

    def note(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        shapes.append(kwargs["input_ids"].shape)

    hook = backbone.model.get_decoder().register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield shapes
    finally:
        hook.remove()


def sums(learner: DeltaMemLearner, parts: Sequence[Any]) -> tuple[list[float], list[torch.Tensor]]:
    """The objective of all parts together, and its gradients."""
    totals = torch.zeros(5)
    for parameter in learner.parameters():
        parameter.grad = None
    for part in parts:
        objective = learner.loss(learner.batch(part))
        (objective.cross_entropy + objective.sparsity).backward()
        totals += torch.tensor(objective.sums)
    return totals.tolist(), [p.grad for p in learner.parameters()]


@pytest.mark.parametrize("writer", [TokenWriter(), SegmentWriter()], ids=["tsw", "ssw"])
def test_a_shared_or_empty_history_costs_nothing_and_changes_nothing(
    writer: Any, tiny: Any
) -> None:
    learner = learner_for(tiny, writer)
    longest = len(learner.encode(EPISODES[0]).write_ids)
    asked = max(len(p) + len(a) for e in EPISODES for p, a in learner.encode(e).asks)
    wanted, wanted_gradients = sums(learner, [[one] for one in EPISODES])
    with forwards(tiny) as shapes:
        found, gradients = sums(learner, [EPISODES])
    assert shapes == [(3, longest), (len(EPISODES), asked)]
    assert found == pytest.approx(wanted, rel=SAME)
    assert wanted[1] > 0
    for got, want in zip(gradients, wanted_gradients, strict=True):
        assert float((got - want).abs().max()) <= SAME * float(want.abs().max())


def test_nothing_written_is_nothing_computed(tiny: Any) -> None:
    learner = learner_for(tiny, TokenWriter())
    batch = learner.batch([EPISODES[2]])
    with forwards(tiny) as shapes:
        objective = learner.loss(batch)
    assert shapes == [batch.read_ids.shape]
    assert float(objective.sparsity) == 0.0
    assert objective.histories == 1


def encoded(name: str, length: int, first: int) -> EncodedEpisode:
    ids = [first] * length
    return EncodedEpisode(id=name, write_ids=ids, segments=None, asks=[([1], [2])])


LENGTHS = {"a": 5, "b": 90, "c": 7, "d": 80}
STEP = [encoded(f"{name}{i}", LENGTHS[name], ord(name)) for i in range(2) for name in "abcd"]


def test_micro_batches_by_history_and_length() -> None:
    parts = micro_batches(STEP, 2)
    assert [[e.id for e in part] for part in parts] == [
        ["b0", "b1", "d0", "d1"],
        ["c0", "c1", "a0", "a1"],
    ]
    whole = micro_batches(STEP, 4)
    assert [[e.id for e in part] for part in whole] == [
        ["a0", "a1", "b0", "b1", "c0", "c1", "d0", "d1"]
    ]
    assert micro_batches([], 4) == []


def test_texts_are_ordered_as_tokens_are() -> None:
    assert [[e.id for e in part] for part in micro_batches(EPISODES, 1)] == [
        ["a1", "a2"],
        ["c1"],
        ["b1", "b2"],
        ["none"],
    ]


def test_no_micro_batch_grows_without_end() -> None:
    shared = [replace(STEP[0], id=str(i)) for i in range(2 * TOGETHER + 1)]
    assert [len(part) for part in micro_batches(shared, 1)] == [TOGETHER, TOGETHER, 1]
    several = [replace(one, asks=[([1], [2])] * 6) for one in shared[:5]]
    assert [len(part) for part in micro_batches(several, 1)] == [2, 2, 1]
    empty = [encoded(str(i), 0, 0) for i in range(3)]
    assert [len(part) for part in micro_batches(empty, 1)] == [1, 1, 1]


def test_a_step_pads_no_more_than_it_must(tiny: Any, tmp_path: Path) -> None:
    learner = learner_for(tiny, TokenWriter())
    lengths = [len(learner.encode(e).write_ids) for e in EPISODES]
    settings = TrainingConfig(steps=1, batch_size=6, micro_batch_size=2, shuffle=False)
    with forwards(tiny) as shapes:
        train(learner, EPISODES, settings, checkpoints=Checkpoints(tmp_path, key="k"))
    writes = shapes[::2]
    # the longest two of three histories, and the shortest beside the one that is empty
    assert writes == [(2, lengths[0]), (1, lengths[1])]


@pytest.mark.parametrize("writer", [TokenWriter(), SegmentWriter()], ids=["tsw", "ssw"])
def test_shards_get_as_many_passes_from_a_batch_that_writes_nothing(tiny: Any, writer: Any) -> None:
    learner = learner_for(tiny, writer)
    nothing = [EPISODES[2], replace(EPISODES[2], id="again")]
    plain, _ = sums(learner, [nothing])
    assert learner.take_even_passes()
    with forwards(tiny) as shapes:
        even, gradients = sums(learner, [nothing])
    assert len(shapes) == 2
    assert even == plain
    # zeros: the way back goes through the pass all the same, where shards meet again
    assert all(g is not None and not g.any() for g in gradients)
    with forwards(tiny) as shapes:
        sums(learner, [EPISODES[:2]])
    assert [rows for rows, _ in shapes] == [2, 2]


def full_loss(learner: DeltaMemLearner, batch: Batch) -> Objective:
    """The same objective from logits at every position."""
    with learner.attached():
        attached = learner._attachment
        assert attached is not None
        forward = attached.forward

        def everywhere(*args: Any, **kwargs: Any) -> Any:
            kwargs.pop("logits_to_keep", None)
            return forward(*args, **kwargs)

        attached.forward = everywhere  # type: ignore[method-assign]
        return answer_loss(attached, batch, gate_target=learner.gate_target)


def test_logits_are_made_where_something_is_learnt_and_the_loss_is_the_same(tiny: Any) -> None:
    learner = learner_for(tiny, TokenWriter())
    batch = learner.batch(EPISODES)
    longest = max(len(answer) for e in EPISODES for _, answer in learner.encode(e).asks)
    width = batch.labels.shape[1]
    positions = learnt_positions(batch.labels)
    assert positions.tolist() == list(range(width - longest - 1, width))
    assert len(positions) < width
    shapes: list[torch.Size] = []
    head = tiny.model.get_output_embeddings()

    def look(module: Any, args: tuple[Any, ...], output: Any) -> None:
        assert args[0].is_contiguous(), "torch would multiply row by row, each by a copied head"
        shapes.append(output.shape)

    hook = head.register_forward_hook(look)
    try:
        found, gradients = sums(learner, [EPISODES])
    finally:
        hook.remove()
    assert [shape[:2] for shape in shapes] == [(len(EPISODES), longest + 1)]
    for parameter in learner.parameters():
        parameter.grad = None
    whole = full_loss(learner, batch)
    (whole.cross_entropy + whole.sparsity).backward()
    assert found == pytest.approx(list(whole.sums), rel=SAME)
    for got, parameter in zip(gradients, learner.parameters(), strict=True):
        assert parameter.grad is not None
        error = float((got - parameter.grad).abs().max())
        assert error <= SAME * float(parameter.grad.abs().max())


def test_nothing_learnt_needs_the_logits_of_one_position() -> None:
    assert learnt_positions(torch.full((2, 5), IGNORED)).tolist() == [4]


def test_joined_episodes_have_the_loss_of_those_that_lie_apart(tiny: Any) -> None:
    learner = learner_for(tiny, TokenWriter())
    joined = joined_by_history(EPISODES, 16)
    assert [(e.id, len(e.asks)) for e in joined] == [("a1", 2), ("b1", 2), ("none", 1), ("c1", 1)]
    apart, _ = sums(learner, [EPISODES])
    found, _ = sums(learner, [joined])
    # the term of the gates counts episodes, and there are fewer
    assert [found[0], *found[2:]] == pytest.approx([apart[0], *apart[2:]], rel=SAME)
    assert 0 < found[1] < apart[1]
    assert joined_by_history(EPISODES, 1) == EPISODES
