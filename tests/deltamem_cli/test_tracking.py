"""Trackers hold what ``train.jsonl`` holds and what the memory did; they change and end nothing."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from event_files import scalars

from deltamem.training import StepReport
from deltamem_cli.app import app
from deltamem_cli.exits import exit_with
from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.identity import config_hash, deciding
from deltamem_cli.settings.run_key import planned_key
from deltamem_cli.tracking import RunFacts, Tracking
from deltamem_cli.tracking.trackers import _needed

WORDS = (
    "training.steps=4",
    "training.batch_size=4",
    "training.micro_batch_size=2",
    "training.checkpoint_every=2",
    "training.evaluate_every=2",
    "training.data.held_out=2",
    "training.data.max_facts=2",
)
SINGLE = 1e-7
"""Relative; event files hold float32."""


def train(runs: Path, *words: str) -> Path:
    code = exit_with(lambda: app(["train", "-q", *WORDS, *words, f"runs_dir={runs}"]))
    assert code == 0
    (run,) = runs.glob("train__*")
    return run


def rows(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "train.jsonl").read_text().splitlines()]


def same_files(one: Path, other: Path) -> bool:
    """Weights, settings and card."""
    names = sorted(path.name for path in one.iterdir())
    return names == sorted(path.name for path in other.iterdir()) and all(
        (one / name).read_bytes() == (other / name).read_bytes() for name in names
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run with two trackers; W&B's stay on this machine and silent."""
    home = tmp_path_factory.mktemp("wandb")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "WANDB_MODE": "offline",
            "WANDB_SILENT": "true",
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_CONFIG_DIR": str(home),
            "WANDB_CACHE_DIR": str(home),
            "WANDB_DATA_DIR": str(home),
        }.items():
            patch.setenv(name, value)
        words = ("tracker=[tensorboard,wandb]", "tracker.memory_every=2")
        yield train(tmp_path_factory.mktemp("tracked"), *words)


def test_a_tracked_run_is_the_same_run(plain: Path, tracked: Path) -> None:
    assert tracked.name == plain.name
    assert same_files(tracked / "adapter", plain / "adapter")
    assert not (plain / "tracking").exists()
    for one, other in zip(rows(tracked), rows(plain), strict=True):
        assert one.keys() == other.keys()
        assert {**one, "tokens_per_second": 0} == {**other, "tokens_per_second": 0}


def test_tensorboard_holds_the_log_and_the_memory(tracked: Path) -> None:
    curves = scalars(tracked / "tracking")
    for row in rows(tracked):
        step = int(row.pop("step"))
        del row["steps"]
        for name, value in row.items():
            curve = f"train/{name}".replace("train/held_out_", "held_out/")
            assert curves[curve][step] == pytest.approx(value, rel=SINGLE), curve
    assert set(curves["held_out/loss"]) == {2, 4}
    for name in ("write_gate", "state_norm", "delta_q_ratio", "delta_o_ratio"):
        assert set(curves[f"{name}/mean"]) == {1, 2, 4}
        layers = [curves[f"{name}/layer_{i:02d}"][1] for i in range(4)]
        assert curves[f"{name}/mean"][1] == pytest.approx(sum(layers) / 4, rel=1e-6)
    (settings,) = (tracked / "tracking").glob("*/hparams.yml")
    assert "training.learning_rate: 0.005\n" in settings.read_text()


def test_wandb_holds_the_log_and_the_memory(tracked: Path) -> None:
    """Its own file: records with names and numbers as text, in their order."""
    (file,) = (tracked / "tracking" / "wandb").glob("offline-run-*/run-*.wandb")
    content = file.read_bytes()
    key = json.loads((tracked / "checkpoints/step-00000004/trainer.json").read_text())["key"]
    assert file.name == f"run-{key[:16]}.wandb"
    assert tracked.name.encode() in content
    assert b"training.learning_rate" in content
    assert b"state_norm/layer_03" in content
    at = 0
    for row in rows(tracked):
        at = content.index(str(row["loss"]).encode(), at)


def test_trackio_holds_the_log_and_the_memory(
    plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "store"))
    pytest.importorskip("trackio", reason="trackio wants an older pillow than is pinned")
    from trackio.sqlite_storage import SQLiteStorage

    run = train(tmp_path / "runs", "tracker=trackio", "tracker.memory_every=2")
    assert capsys.readouterr().out.count("\n") == 1  # the result; what trackio says is elsewhere
    assert same_files(run / "adapter", plain / "adapter")
    logs = SQLiteStorage.get_logs("deltamem", run.name)
    assert [(log["step"], log["train/loss"]) for log in logs] == [
        (row["step"], row["loss"]) for row in rows(run)
    ]
    assert [log["step"] for log in logs if "state_norm/mean" in log] == [1, 2, 4]
    settings = SQLiteStorage.get_run_config("deltamem", run.name)
    assert settings is not None
    assert settings["training.learning_rate"] == 0.005


def test_a_resumed_run_goes_on_in_the_same_curves(tracked: Path, tmp_path: Path) -> None:
    """What was logged beyond the checkpoint is trained and logged again, and shown once."""
    run = tmp_path / tracked.name
    shutil.copytree(tracked, run, symlinks=True)
    shutil.rmtree(run / "adapter")
    shutil.rmtree(run / "checkpoints" / "step-00000004")
    assert train(tmp_path, "tracker=tensorboard", "tracker.memory_every=1") == run
    assert [row["step"] for row in rows(run)] == [1, 2, 3, 4]
    assert same_files(run / "adapter", tracked / "adapter")
    assert len(list((run / "tracking").glob("events.*"))) == 2
    before, after = scalars(tracked / "tracking"), scalars(run / "tracking")
    assert after["train/loss"] == before["train/loss"]
    assert set(after["state_norm/mean"]) == {1, 2, 3, 4}  # 3 was measured the second time only
    assert len(list((run / "tracking").glob("*/hparams.yml"))) == 1


def test_a_baseline_has_no_memory_to_look_into(tmp_path: Path) -> None:
    run = train(tmp_path, "method=context2lora", "tracker=tensorboard", "training.steps=1")
    names = {name.partition("/")[0] for name in scalars(run / "tracking")}
    assert names == {"train", "held_out"}


def test_a_tracker_that_cannot_start_does_not_stop_the_run(
    plain: Path, cli: Callable[..., Any]
) -> None:
    run = Path("runs") / plain.name
    run.mkdir(parents=True)
    (run / "tracking").write_text("in the way")
    done = cli("train", *WORDS, "tracker=tensorboard", "--json")
    assert done.code == 0
    assert json.loads(done.out)["step"] == 4
    assert done.err.count("tracker tensorboard failed and is off; the run goes on (") == 1
    assert same_files(run / "adapter", plain / "adapter")


class Recorder:
    """A tracker that prints, and whose disk is full after some steps."""

    def __init__(self, room: int) -> None:
        self.room, self.steps, self.facts, self.finished = room, list[int](), list[RunFacts](), 0

    def start(self, run: RunFacts) -> Recorder:
        self.facts.append(run)
        return self

    def log(self, values: dict[str, float], *, step: int) -> None:
        sys.stdout.write(f"loss is {values['train/loss']}\n")
        if len(self.steps) == self.room:
            raise OSError(28, "No space left on device")
        self.steps.append(step)

    def finish(self) -> None:
        self.finished += 1


def report(step: int) -> StepReport:
    numbers = {"loss": 1.0, "em": 0.0, "mean_gate_term": 0.0, "grad_norm": 1.0}
    return StepReport(step=step, steps=4, learning_rate=0.1, tokens_per_second=1.0, **numbers)


def test_a_tracker_that_fails_later_is_off_from_then_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large, notes = Recorder(room=2), Recorder(room=9), list[str]()
    run = Tracking(small=small, large=large).run(
        tmp_path / "run",
        key="k",
        settings={"seed": 1, "memory": {"heads": ["q", "o"], "layers": None}},
        on_note=notes.append,
    )
    with run as tracked:
        tracked.start(after=0)
        for step in range(1, 5):
            tracked.log(report(step))
    assert (small.steps, large.steps) == ([1, 2], [1, 2, 3, 4])
    assert (small.finished, large.finished) == (1, 1)
    assert notes == [
        "tracker small failed and is off; the run goes on ([Errno 28] No space left on device)"
    ]
    assert capsys.readouterr().out == ""  # a tracker's words are none of our results
    assert large.facts == [
        RunFacts(
            name="run",
            folder=tmp_path / "run" / "tracking",
            key="k",
            after=0,
            settings={"seed": 1, "memory.heads": "['q', 'o']", "memory.layers": "None"},
        )
    ]


def test_a_tracker_is_a_place_and_no_setting() -> None:
    words = ["tracker=[tensorboard,wandb]", "tracker.memory_every=3", "tracker.wandb.project=x"]
    bare, with_trackers = (c.tree for c in compose_each("train", [[], words]))
    assert config_hash(bare) == config_hash(with_trackers)
    assert planned_key(bare, "train") == planned_key(with_trackers, "train")
    kept = ["model=tiny", "limited=1", "training.data.path=runs_dir"]
    places = ["runs_dir=x", "+tracker.wandb.tags=x", "hydra/launcher=joblib", "limit=3"]
    assert deciding([*words, *kept, *places]) == kept


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("tracker=tensorbord", "no tracker 'tensorbord' (did you mean 'tensorboard'?)"),
        ("tracker=[tensorboard,aim]", "no tracker 'aim'"),
        ("tracker=null", "tracker=null leaves tracker without a choice"),
    ],
)
def test_a_tracker_that_does_not_exist(word: str, sentence: str, cli: Callable[..., Any]) -> None:
    done = cli("train", word)
    assert done.code == 2
    choices = "; choose one of none, tensorboard, trackio, wandb\n"
    assert done.err == f"error: {sentence}{choices}"


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_package_that_is_not_installed(
    name: str, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    sentence = f"tracker={name} needs {name}: pip install 'deltamem[trackers]'"
    done = cli("train", f"tracker={name}")
    assert (done.code, done.err) == (4, f"error: {sentence}\n")
    assert not Path("runs").exists()
    found = cli("doctor", "train", f"tracker={name}", "training.steps=1", "--json")
    assert (found.code, json.loads(found.out)["missing"]) == (4, [sentence])


def test_a_folder_of_a_package_s_name_is_no_package(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deltamem_base.faults import Unavailable

    (in_folder / "left_by_a_tracker").mkdir()
    monkeypatch.syspath_prepend(in_folder)
    with pytest.raises(Unavailable, match="needs left_by_a_tracker"):
        _needed("left_by_a_tracker")
