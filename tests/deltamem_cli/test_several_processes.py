"""Training on two gloo processes: the losses, the files and the checkpoints of one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from event_files import scalars

WORDS = (
    "model=tiny",
    "writer=msw",
    "training.batch_size=6",
    "training.micro_batch_size=2",
    "training.data.held_out=6",
    "training.evaluate_every=3",
    "training.checkpoint_every=2",
    "training.data.easy_share=0",
    "tracker=tensorboard",
    "tracker.memory_every=2",
)
SUM_ORDER = 2e-5
"""Relative; gradients are summed in another order, and each step starts from the last one's."""
ADAM = 2e-5
"""Absolute; AdamW's first steps have the size of the learning rate (5e-3) wherever a gradient
is not 0, so that the rounding of a small gradient counts."""
NAMES = {"loss", "em", "grad_norm", "held_out_loss", "held_out_em"}


def train(runs: Path, *words: str, processes: int = 1) -> subprocess.CompletedProcess[str]:
    # `accelerate launch --cpu` would start a single process
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    command = [sys.executable, *(launcher if processes > 1 else []), "-m", "deltamem_cli", "train"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [*command, *WORDS, *words, f"runs_dir={runs}"],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=300,
    )


def log(runs: Path) -> list[dict[str, float]]:
    (path,) = runs.glob("train__*/train.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def curves(runs: Path) -> dict[str, dict[int, float]]:
    (folder,) = runs.glob("train__*/tracking")
    return scalars(folder)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("alone")
    done = train(runs, "training.steps=4")
    assert done.returncode == 0, done.stderr
    return runs


def test_two_processes_have_the_losses_of_one_and_one_set_of_files(
    alone: Path, tmp_path: Path
) -> None:
    done = train(tmp_path, "training.steps=4", processes=2)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("4 steps") == 1
    ours, theirs = log(tmp_path), log(alone)
    assert [row["step"] for row in ours] == [1, 2, 3, 4]
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name in NAMES & other.keys():
            assert one[name] == pytest.approx(other[name], rel=SUM_ORDER, abs=1e-7), name

    def files(runs: Path) -> set[str]:
        found = (path.relative_to(runs).as_posix() for path in runs.rglob("*"))
        return {name for name in found if ".tokens" not in name and "tracking/" not in name}

    assert files(tmp_path) == files(alone)
    tracked, reference = curves(tmp_path), curves(alone)
    assert tracked.keys() == reference.keys()
    measured = [name for name in reference if name.endswith("/mean")]
    assert len(measured) == 4
    for name in measured:
        assert tracked[name].keys() == {1, 2, 4}
        for step, value in reference[name].items():
            assert tracked[name][step] == pytest.approx(value, rel=SUM_ORDER), (name, step)


def test_a_run_that_was_stopped_goes_on_with_another_number_of_processes(
    alone: Path, tmp_path: Path
) -> None:
    """Two steps on two processes, the rest on one."""
    from safetensors.torch import load_file

    assert train(tmp_path, "training.steps=4", processes=2).returncode == 0
    (run,) = tmp_path.glob("train__*")
    shutil.rmtree(run / "adapter")
    shutil.rmtree(run / "checkpoints" / "step-00000004")
    done = train(tmp_path, "training.steps=4")
    assert done.returncode == 0, done.stderr
    assert "resuming after step 2" in done.stderr
    name = "adapter/delta_mem_adapter.safetensors"
    (reference,) = alone.glob(f"train__*/{name}")
    ours, theirs = load_file(run / name), load_file(reference)
    for key, weight in theirs.items():
        assert ours[key].numpy() == pytest.approx(weight.numpy(), abs=ADAM), key
