"""What a monitor tells of a memory is what the memory did, and it changes nothing."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from deltamem import DeltaMemConfig, DeltaMemory, InvalidInput
from deltamem.training import (
    Ask,
    Checkpoints,
    DeltaMemLearner,
    Episode,
    MemoryMonitor,
    Processes,
    StepReport,
    TrainingConfig,
    train,
)
from deltamem.training.objective import answer_loss
from deltamem.writers import MultiStateWriter, SegmentWriter, TokenWriter

SUMS = 1e-5
"""Relative; float32 sums in another order, and by hand Δ is the difference of two outputs that are
up to 2,000 times as large (seen: 1.3e-6)."""
LAYERS = range(4)
"""Of the embedded backbone."""
PLACES = ("Oslo", "Rome", "Bern")
EPISODES = [
    Episode(
        id=f"e{n}",
        written=[{"role": "user", "content": f"Today Ada is in {place}."}] * (1 + n),
        asks=(
            Ask(
                visible=[{"role": "user", "content": "Where is Ada today? " * (1 + n)}],
                answer=f"Today Ada is in {place}.",
            ),
        ),
    )
    for n, place in enumerate(PLACES)
]
"""Of different lengths, so that both passes are padded."""


def learner_for(backbone: Any, **settings: Any) -> DeltaMemLearner:
    config = DeltaMemConfig(rank=4, **settings)
    memory = DeltaMemory(config, backbone.model).initialise(backbone.model, seed=0)
    return DeltaMemLearner(backbone, memory, write_length=512, read_length=128, gate_target=0.05)


def watched(learner: DeltaMemLearner) -> dict[str, float]:
    monitor, batch = learner.monitor(every=1), learner.batch(EPISODES)
    with monitor.watching():
        learner.loss(batch)
    return monitor.numbers(Processes())


@torch.no_grad()
def by_hand(learner: DeltaMemLearner) -> dict[str, float]:
    """The same from passes of its own, and from products of the frozen weights."""
    model, memory, batch = learner.backbone.model, learner.memory, learner.batch(EPISODES)
    frozen: dict[tuple[int, str], Tensor] = {}
    steered: dict[tuple[int, str], Tensor] = {}

    def keep(key: tuple[int, str]) -> Any:
        def hook(module: nn.Linear, args: tuple[Tensor], output: Tensor) -> None:
            frozen[key], steered[key] = linear(args[0], module.weight, module.bias), output

        return hook

    handles = [
        getattr(model.get_decoder().layers[i].self_attn, f"{head}_proj").register_forward_hook(
            keep((i, head))
        )
        for i in LAYERS
        for head in memory.config.heads
    ]
    with memory.attach(model) as attached:
        _, state = attached.forward(
            batch.write_ids, batch.write_mask.long(), segments=batch.segments, logits=False
        )
        assert attached.last is not None
        gates = attached.last.gates
        attached.forward(batch.read_ids, batch.read_mask.long(), state=state, write=False)
    for handle in handles:
        handle.remove()
    real = batch.read_mask.bool()
    assert not real.all()
    assert not batch.write_mask.bool().all()
    found = {}
    for i in LAYERS:
        found[f"write_gate/layer_{i:02d}"] = float(gates[i].mean())
        squares = state.layers[i].square().sum(dim=(1, 2, 3))
        found[f"state_norm/layer_{i:02d}"] = float(squares.sqrt().mean())
        for head in memory.config.heads:
            y = frozen[i, head][real]
            ratio = float((steered[i, head][real] - y).norm() / y.norm())
            found[f"delta_{head}_ratio/layer_{i:02d}"] = ratio
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {"writer": TokenWriter()},
        {"writer": SegmentWriter(), "heads": ("q", "k", "v", "o")},
        {"writer": MultiStateWriter(), "heads": ("o",)},
    ],
    ids=["tsw, qo", "ssw, qkvo", "msw, o"],
)
def test_the_numbers_are_those_of_the_passes(tiny: Any, settings: dict[str, Any]) -> None:
    learner = learner_for(tiny, **settings)
    seen, wanted = watched(learner), by_hand(learner)
    names = {name.partition("/")[0] for name in wanted}
    assert seen.keys() == {*wanted, *(f"{name}/mean" for name in names)}
    for name, value in wanted.items():
        assert value > 0
        assert seen[name] == pytest.approx(value, rel=SUMS), name
    for name in names:
        layers = [seen[f"{name}/layer_{i:02d}"] for i in LAYERS]
        assert seen[f"{name}/mean"] == pytest.approx(math.fsum(layers) / len(layers))


def test_the_memory_may_be_attached_already(tiny: Any) -> None:
    learner = learner_for(tiny)
    monitor, batch = learner.monitor(every=1), learner.batch(EPISODES)
    with learner.memory.attach(tiny.model) as attached, monitor.watching():
        answer_loss(attached, batch, gate_target=0.05)
    assert monitor.numbers(Processes()) == watched(learner)
    assert monitor.numbers(Processes())["delta_q_ratio/mean"] == 0.0  # it starts anew


def test_only_chosen_layers_have_numbers(tiny: Any) -> None:
    seen = watched(learner_for(tiny, layers=(1, 3)))
    assert {name.partition("/")[2] for name in seen} == {"mean", "layer_01", "layer_03"}


def test_a_history_that_is_empty_has_no_state(tiny: Any) -> None:
    learner = learner_for(tiny)
    monitor = learner.monitor(every=1)
    with monitor.watching():
        learner.loss(learner.batch([Episode(id="e", written=[], asks=EPISODES[0].asks)]))
    seen = monitor.numbers(Processes())
    assert {name.partition("/")[0] for name in seen} == {"delta_q_ratio", "delta_o_ratio"}
    assert set(seen.values()) == {0.0}


def run(learner: DeltaMemLearner, folder: Path, **changes: Any) -> list[StepReport]:
    settings = {"steps": 5, "batch_size": 3, "micro_batch_size": 3, "evaluate_every": 1}
    monitor = changes.pop("monitor", None)
    reports: list[StepReport] = []
    train(
        learner,
        EPISODES,
        TrainingConfig(**{**settings, "learning_rate": 1e-2, **changes}),
        checkpoints=Checkpoints(folder, key="k"),
        held_out=EPISODES[:1],
        monitor=monitor,
        on_step=reports.append,
    )
    return reports


def test_a_watched_run_ends_in_the_same_weights(tiny: Any, tmp_path: Path) -> None:
    plain, seen = learner_for(tiny), learner_for(tiny)
    plain_reports = run(plain, tmp_path / "plain")
    reports = run(seen, tmp_path / "seen", monitor=seen.monitor(every=2))
    assert [r.step for r in reports if r.measured] == [1, 2, 4, 5]
    assert not any(r.measured for r in plain_reports)
    assert [r.loss for r in reports] == [r.loss for r in plain_reports]
    for name, weight in plain.state_dict().items():
        assert torch.equal(seen.state_dict()[name], weight)
    assert not any(module._forward_hooks for module in seen.memory.modules())
    assert not any(module._forward_hooks for module in tiny.model.modules())


def test_a_step_is_measured_over_all_its_micro_batches(tiny: Any, tmp_path: Path) -> None:
    """The held-out episodes, evaluated at every step, are not a part of it."""
    learner = learner_for(tiny)
    wanted = watched(learner)
    (report,) = run(
        learner, tmp_path, steps=1, micro_batch_size=1, monitor=learner.monitor(every=1)
    )
    assert report.measured.keys() == wanted.keys()
    for name, value in wanted.items():
        assert report.measured[name] == pytest.approx(value, rel=SUMS), name


def test_an_interval_that_makes_no_sense(tiny: Any) -> None:
    learner = learner_for(tiny)
    with pytest.raises(InvalidInput, match="every 0 steps; use at least 1"):
        MemoryMonitor(learner.memory, tiny.model, every=0)
