"""What a launcher or a recipe asks for that a learner cannot do, or that is decided elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest

from deltamem import DeltaMemConfig, DeltaMemory, load_tiny
from deltamem.training import DeltaMemLearner, Processes, TrainingConfig
from deltamem_baselines.memgen.training import MemGenLearner
from deltamem_cli.errors import UsageError
from deltamem_cli.exits import Stopped, exit_with
from deltamem_cli.runs.launching import check_shared, fit_out
from deltamem_cli.runs.requests import BackboneRequest
from deltamem_cli.screen.console import Console

Cli = Callable[..., Any]


@pytest.fixture
def learner() -> DeltaMemLearner:
    backbone = load_tiny()
    memory = DeltaMemory(DeltaMemConfig(), backbone.model)
    return DeltaMemLearner(backbone, memory, write_length=64, read_length=64, gate_target=0.05)


def fit(learner: Any, *, processes: Processes = Processes(), **recipe: Any) -> None:  # noqa: B008
    model = load_tiny().model
    fit_out(learner, model, TrainingConfig(**recipe), processes, method="memgen", console=Console())


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ACCELERATE_USE_DEEPSPEED", "true", "each process keeps the 0.2 MB of optimiser state"),
        ("ACCELERATE_MIXED_PRECISION", "bf16", "runtime.dtype is the backbone's precision"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "8", "training.micro_batch_size at a time"),
        ("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR", "torch.compile is not used"),
    ],
)
def test_options_of_the_launcher_that_have_no_effect_are_said(
    variable: str,
    value: str,
    said: str,
    learner: DeltaMemLearner,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fit(learner)
    assert not capsys.readouterr().err
    monkeypatch.setenv(variable, value)
    fit(learner)
    assert said in capsys.readouterr().err


def test_a_learner_that_attaches_within_a_pass_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    memgen = MemGenLearner(load_tiny(), seed=0, read_length=64)
    with pytest.raises(UsageError, match="memgen, which changes what is attached"):
        fit(memgen, activation_checkpointing=True)
    with pytest.raises(UsageError, match="without --use_fsdp"):
        fit(memgen, processes=Processes(index=0, count=2))


def test_the_verb_refuses_memgen(cli: Cli) -> None:
    done = cli(
        *("train", "method=memgen", "training.steps=1", "training.batch_size=2"),
        "training.activation_checkpointing=true",
    )
    assert done.code == 2
    assert "training.activation_checkpointing=true does not work with" in done.err


@pytest.mark.parametrize("rank", ["0", "1"])
@pytest.mark.parametrize(
    "words",
    [("eval", "-m", "seed=0,1"), ("eval", "--cfg", "job"), ("demo",)],
    ids=["a sweep", "settings that are shown", "another verb"],
)
def test_only_one_training_or_evaluation_is_shared_among_processes(
    words: tuple[str, ...], rank: str, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    done = cli(*words)
    assert done.code == 2
    sentence = (
        "error: WORLD_SIZE is 2, but only `deltamem train` and `deltamem eval` can use several "
        "processes, for one run at a time: start other commands, and -m, without torchrun or "
        "accelerate launch\n"
    )
    assert done.err == (sentence if rank == "0" else "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("variable", "asked", "said"),
    [
        ("ACCELERATE_USE_FSDP", {}, "without --use_fsdp; model.device_map=auto spreads it"),
        (None, {"arguments": {"device_map": "auto"}}, "each of several processes takes one GPU"),
        (None, {"device": "cuda:1"}, "runtime.device is cuda:1, which all processes would share"),
    ],
)
def test_an_evaluation_needs_a_whole_backbone_in_each_process(
    variable: str | None, asked: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"name": "tiny", "arguments": {}, "device": "auto", "dtype": "auto"}
    backbone = BackboneRequest(**{**given, **asked})
    if variable is not None:
        monkeypatch.setenv(variable, "true")
    check_shared(backbone)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match=said):
        check_shared(backbone)


def test_whoever_does_not_speak_ends_in_silence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A signal comes to all processes; the first one says so."""

    def stopped() -> None:
        raise Stopped(SIGTERM)

    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, said in (("0", 1), ("1", 0)):
        monkeypatch.setenv("RANK", rank)
        assert exit_with(stopped) == 128 + SIGTERM
        assert capsys.readouterr().err.count("run the same command again") == said
