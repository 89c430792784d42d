"""What the tests of trained baselines share: episodes, talks, short runs, hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from deltamem.training import Ask, Checkpoints, Episode, StepReport, TrainingConfig, train
from deltamem_evaluations.sample import Decoding, History, Prompt

GREEDY = Decoding(max_new_tokens=10)
TALK = (
    {"role": "user", "content": "Today Ada is in Oslo."},
    {"role": "assistant", "content": "Today Ben is in Rome."},
)
OTHER = (
    {"role": "user", "content": "Today Eva is in Bern."},
    {"role": "assistant", "content": "The bus was late."},
    {"role": "user", "content": "Today Hugo is in Kiel."},
)
QUESTIONS = ("Where is Ada today?", "Where is Ben today?", "Where is Hugo today?")


def ask(name: str, place: str) -> Ask:
    question = {"role": "user", "content": f"Where is {name} today?"}
    return Ask(visible=[question], answer=f"Today {name} is in {place}.")


EPISODES = [
    Episode(id="a", written=TALK, asks=(ask("Ada", "Oslo"), ask("Ben", "Rome"))),
    Episode(id="b", written=OTHER, asks=(ask("Hugo", "Kiel"),)),
    Episode(id="c", written=TALK[:1], asks=(ask("Ada", "Oslo"),)),
]
NONSENSE = [
    Episode(id="n", written=TALK, asks=(ask("Ada", "Lima"), ask("Ben", "Baku"))),
]
"""Answers that no reading of the history gives: only training does."""


def sha(model: Any) -> str:
    """Over all weights."""
    digest = hashlib.sha256()
    for name, weight in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.numpy().tobytes())
    return digest.hexdigest()


def prompts(history: int = 0) -> list[Prompt]:
    return [Prompt(question=q, history=history, seed=i) for i, q in enumerate(QUESTIONS)]


def texts(method: Any, history: int = 0, decoding: Decoding = GREEDY) -> list[str]:
    return [answer.text for answer in method.answer(prompts(history), decoding)]


def written(method: Any, *talks: Sequence[Any]) -> Any:
    """The method after a reset and one history for each talk."""
    method.reset(len(talks))
    method.write([History(messages=tuple(talk)) for talk in talks])
    return method


def fit(
    learner: Any, folder: Path, episodes: Sequence[Episode] = EPISODES, **changes: Any
) -> list[StepReport]:
    """A short run of the real loop."""
    settings = {
        "steps": 6,
        "batch_size": 2,
        "micro_batch_size": 2,
        "learning_rate": 2e-3,
        "checkpoint_every": 2,
        "gate_sparsity": 0.0,
        "seed": 1,
    }
    reports: list[StepReport] = []
    train(
        learner,
        episodes,
        TrainingConfig(**{**settings, **changes}),
        checkpoints=Checkpoints(folder, key="k"),
        on_step=reports.append,
    )
    return reports


def stopped_and_resumed(make: Any, folder: Path) -> tuple[Any, Any]:
    """Two learners: one that trained undisturbed, one that was stopped and went on."""

    class Stop(Exception):
        pass

    def stop(report: StepReport) -> None:
        if report.step == 3:
            raise Stop

    whole, first, second = make(0), make(0), make(99)
    fit(whole, folder / "whole")
    settings = TrainingConfig(
        steps=6,
        batch_size=2,
        micro_batch_size=2,
        learning_rate=2e-3,
        checkpoint_every=2,
        gate_sparsity=0.0,
        seed=1,
    )
    checkpoints = Checkpoints(folder / "parts", key="k")
    try:
        train(first, EPISODES, settings, checkpoints=checkpoints, on_step=stop)
    except Stop:
        fit(second, folder / "parts")
    return whole, second


def scatter(module: Any, seed: int, size: float = 0.05) -> Any:
    """Random weights in place of the neutral ones that training starts from."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * size)
    return module
