"""Training on two gloo processes: the losses, the files and the checkpoints of one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from child_environment import child_environment

from deltamem.training import only_run

WORDS = (
    "model=tiny",
    "writer=msw",
    "training=jsonl",
    "training.data.held_out=4",
    "training.steps=4",
    "training.batch_size=6",
    "training.micro_batch_size=2",
    "training.evaluate_every=3",
    "training.checkpoint_every=2",
    "training.learning_rate=5e-3",
)
LAUNCHERS = {
    "alone": ("-m",),
    "torchrun": ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m"),
    # `accelerate launch --cpu` would start a single process
    "fsdp": (
        *("-m", "accelerate.commands.launch", "--use_fsdp", "--fsdp_version", "2"),
        *("--num_processes", "2", "--num_machines", "1", "--dynamo_backend", "no"),
        *("--mixed_precision", "bf16", "--main_process_port", "0", "-m"),
    ),
}
SUM_ORDER = 2e-5
"""Relative; gradients are summed in another order, and each step starts from the last one's."""
ADAM = 2e-5
"""Absolute; AdamW's first steps have the size of the learning rate (5e-3) wherever a gradient
is not 0, so that the rounding of a small gradient counts."""
NAMES = {"loss", "em", "grad_norm", "held_out_loss", "held_out_em"}


def train(
    runs: Path, data: Path, *words: str, launcher: str = "alone"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *LAUNCHERS[launcher], "deltamem_cli", "train", *WORDS, *words,
         f"training.data.path={data}", f"runs_dir={runs}"],
        capture_output=True,
        text=True,
        check=False,
        env=child_environment(),
    )  # fmt: skip


def log(runs: Path) -> list[dict[str, float]]:
    (path,) = runs.glob("train__*/train.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def files(runs: Path) -> set[str]:
    found = (path.relative_to(runs).as_posix() for path in runs.glob("train__*/**/*"))
    return {name.partition("/")[2] for name in found}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short dialogues, some with a history that others share, some without any."""
    path = tmp_path_factory.mktemp("data") / "episodes.jsonl"
    rows = []
    for number in range(28):
        said = ["the box is red", f"the key is in room {number % 5}", "the cat sleeps"]
        history = [] if number % 4 == 0 else said[: 1 + number % 3]
        turns = [m for text in history for m in (("user", text), ("assistant", "ok"))]
        asked = [*turns, ("user", "where is the key ?"), ("assistant", f"room {number % 5}")]
        rows.append({"messages": [{"role": role, "content": text} for role, text in asked]})
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    runs = tmp_path_factory.mktemp("alone")
    done = train(runs, data)
    assert done.returncode == 0, done.stderr
    return runs


@pytest.fixture(scope="module")
def torchrun(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    runs = tmp_path_factory.mktemp("torchrun")
    done = train(runs, data, launcher="torchrun")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("4 steps") == 1
    return runs


def same(runs: Path, reference: Path) -> None:
    ours, theirs = log(runs), log(reference)
    assert [row["step"] for row in ours] == [1, 2, 3, 4]
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name in NAMES & other.keys():
            assert one[name] == pytest.approx(other[name], rel=SUM_ORDER, abs=1e-7), name
    assert files(runs) == files(reference)


def test_two_processes_have_the_losses_of_one_and_one_set_of_files(
    alone: Path, torchrun: Path
) -> None:
    same(torchrun, alone)
    assert log(torchrun) != log(alone), "sums in another order: they did share the work"


def test_a_sharded_backbone_with_activations_made_again_has_them_too(
    alone: Path, data: Path, tmp_path: Path
) -> None:
    again = "training.activation_checkpointing=true"
    done = train(tmp_path, data, again, launcher="fsdp")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("--mixed_precision has no effect") == 1
    same(tmp_path, alone)


def test_a_launcher_is_refused_where_another_trains(
    torchrun: Path, data: Path, tmp_path: Path
) -> None:
    shutil.copytree(torchrun, tmp_path, dirs_exist_ok=True)
    (run,) = tmp_path.glob("train__*")
    shutil.rmtree(run / "adapter")
    with only_run(run):
        done = train(tmp_path, data, launcher="torchrun")
    assert done.returncode == 1
    assert done.stderr.count(f"error: another process is training in {run}: wait for it") == 1
    assert "[rank" not in done.stderr, "the second process ends with it, without a traceback"
    assert not (run / "adapter").exists()


def test_a_run_that_was_stopped_goes_on_with_another_number_of_processes(
    alone: Path, torchrun: Path, data: Path, tmp_path: Path
) -> None:
    """Two steps on two processes, the rest on one."""
    from safetensors.torch import load_file

    shutil.copytree(torchrun, tmp_path, dirs_exist_ok=True)
    (run,) = tmp_path.glob("train__*")
    shutil.rmtree(run / "adapter")
    shutil.rmtree(run / "checkpoints" / "step-00000004")
    done = train(tmp_path, data)
    assert done.returncode == 0, done.stderr
    assert "resuming after step 2" in done.stderr
    name = "adapter/delta_mem_adapter.safetensors"
    (reference,) = alone.glob(f"train__*/{name}")
    ours, theirs = load_file(run / name), load_file(reference)
    for key, weight in theirs.items():
        assert ours[key].numpy() == pytest.approx(weight.numpy(), abs=ADAM), key
