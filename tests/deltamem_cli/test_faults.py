"""Killed anywhere, out of room, damaged: runs go on and end in the files of an undisturbed one."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, SIGXFSZ, Signals
from typing import Any

import pytest
from forked_cli import Ended, Fault, ForkedCli
from safetensors.torch import load_file

from deltamem.training.checkpoint import TENSORS, Checkpoint, Checkpoints
from deltamem_cli.errors import PARTIAL
from deltamem_evaluations.records.store import SAMPLES

TRAIN = (
    "train",
    "model=tiny",
    "training=jsonl",  # with kept tokens
    "training.data.path=data.jsonl",
    "training.data.held_out=2",
    "+training.steps=6",
    "training.batch_size=2",
    "training.micro_batch_size=2",
    "training.write_length=64",
    "training.read_length=64",
    "training.checkpoint_every=2",
    "training.evaluate_every=3",
)
EVAL = (
    "eval",
    "model=tiny",
    "context=none",
    "bench=recall",
    "bench.facts=[1,2]",
    "bench.dialogues=2",
    "runtime.batch_size=2",
)
PRETRAIN = (
    "pretrain",
    "training.steps=6",
    "training.batch_size=2",
    "training.micro_batch_size=2",
    "training.checkpoint_every=2",
    "copy_steps=3",
    "backbone.layers=1",
    "backbone.width=32",
    "backbone.window=384",
)
ABLATE = ("ablate", "scale=smoke", "experiment=heads", "only=[q,o]")
TIMES = {"tokens_per_second", "write_seconds", "answer_seconds", "wall_seconds", "peak_memory_mb",
         "date"}  # fmt: skip
"""When it ran and what the machine did: all that may differ between two runs, in logs, samples and
records. Adapters, model cards, checkpoints and kept tokens say nothing of it."""
PLACES = {"train": 28, "eval": 10, "pretrain": 20}
"""Where files are touched, at least; one kill at each."""
KILLS = 5
"""At moments, and in the middle of writing: with the places over 90 kills."""
STOPS = 3
"""By Ctrl-C or SIGTERM."""


def episode(number: int) -> dict[str, Any]:
    texts = (f"Box {number} is red.", "Noted.", f"Which colour has box {number}?", "Red.")
    roles = ("user", "assistant") * 2
    messages = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)]
    return {"messages": messages}


def fresh(folder: Path) -> Path:
    folder.mkdir()
    lines = [json.dumps(episode(number)) + "\n" for number in range(12)]
    (folder / "data.jsonl").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedCli]:
    folder = fresh(tmp_path_factory.mktemp("forked") / "warm")
    warm = [[*TRAIN, "-q"], [*EVAL, "-q", "limit=1"], [*PRETRAIN, "-q"]]
    with ForkedCli(warm, folder) as running:
        yield running


def timeless(content: Any) -> Any:
    if isinstance(content, dict):
        return {k: timeless(v) for k, v in content.items() if k not in TIMES}
    return content


def comparable(path: Path) -> Any:
    if path.suffix == ".jsonl":
        lines = [timeless(json.loads(line)) for line in path.read_text().splitlines()]
        # answers are stored as they end, and which of them are side by side is another in a rest
        return sorted(lines, key=lambda line: line["id"]) if path.name == SAMPLES else lines
    if path.parent.name == "results" or path.name == "record.json":
        return timeless(json.loads(path.read_text()))
    content = path.read_bytes()  # as a digest where it is long, for pytest compares by the letter
    return content.decode() if path.suffix in (".md", ".json") else sha256(content).hexdigest()


def files(folder: Path) -> dict[str, Any]:
    """Everything that a run left: all folders, and all files but for times."""
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    return {name: path.is_file() and comparable(path) for name, path in found.items()}


class Runs:
    """One command again and again, in folders of their own, beside an undisturbed run."""

    aside = r"^$"
    """Names that are not compared."""

    def __init__(self, forked: ForkedCli, folder: Path, words: tuple[str, ...]) -> None:
        self.forked, self.parent, self.words = forked, folder, words
        self.count = 0
        self.calm = self.run()
        assert self.calm.code == 0, self.calm.said
        self.wanted = files(self.folder)
        self.start_anew()

    @property
    def folder(self) -> Path:
        return self.parent / str(self.count)

    def start_anew(self) -> None:
        self.count += 1

    def run(self, **fault: Any) -> Ended:
        if not self.folder.exists():
            fresh(self.folder)
        return self.forked.run(self.folder, *self.words, fault=Fault(**fault))

    def finish(self, ended: Ended | None = None) -> None:
        """Let the run in the folder end, look at what it left, and begin with an empty folder."""
        ended = ended or self.run()
        assert ended.code == 0, ended.said
        left, wanted = (
            {name: content for name, content in found.items() if not re.search(self.aside, name)}
            for found in (files(self.folder), self.wanted)
        )
        assert left.keys() == wanted.keys()
        for name, content in wanted.items():
            assert left[name] == content, name
        self.start_anew()


each_verb = pytest.mark.parametrize("words", [TRAIN, EVAL, PRETRAIN], ids=lambda words: words[0])


@each_verb
def test_killed_at_every_place(words: tuple[str, ...], forked: ForkedCli, tmp_path: Path) -> None:
    """One kill at each place where a file is touched; each run goes on from where the last died."""
    runs = Runs(forked, tmp_path, words)
    places = dict.fromkeys(runs.calm.places)
    assert len(places) >= PLACES[words[0]]
    for place in places:
        ended = runs.run(kill_at=place)
        if ended.code == 0:  # a place of runs that have their beginning before them
            runs.finish(ended)
            ended = runs.run(kill_at=place)
        assert ended.code == -SIGKILL, (place, ended.said)
    runs.finish()


@each_verb
def test_killed_by_chance(words: tuple[str, ...], forked: ForkedCli, tmp_path: Path) -> None:
    """At any moment and, by the kernel, in the middle of writing a file."""
    runs, chance = Runs(forked, tmp_path, words), random.Random(words[0])
    sizes = [p.stat().st_size for p in (tmp_path / "0").glob("*s/**/*") if p.stat().st_size]
    killed = {SIGKILL: 0, SIGXFSZ: 0}
    while min(killed.values()) < KILLS:
        if killed[SIGKILL] <= killed[SIGXFSZ]:
            ended = runs.run(seconds=chance.uniform(0, runs.calm.seconds))
        else:
            ended = runs.run(largest_file=chance.randrange(chance.choice(sizes)))
        if ended.code == 0:
            runs.finish(ended)
        elif ended.code != PARTIAL:  # a line that is cut short by the limit and taken back
            killed[Signals(-ended.code)] += 1
    runs.finish()


@each_verb
def test_stopped_by_a_signal(words: tuple[str, ...], forked: ForkedCli, tmp_path: Path) -> None:
    """Ctrl-C or SIGTERM at any moment: one sentence, its exit code, and the run goes on."""
    runs, chance = Runs(forked, tmp_path, words), random.Random(words[0])
    runs.aside = r"checkpoints/step-0000000[1-5]"  # Ctrl-C makes one where it is
    stops = 0
    while stops < STOPS:
        number = chance.choice([SIGINT, SIGTERM])
        ended = runs.run(seconds=chance.uniform(0, runs.calm.seconds), signal=number)
        assert "Traceback" not in ended.said
        if ended.code in (0, -number):  # it came when all was done
            runs.finish()
        else:
            assert ended.code == 128 + number, ended.said
            assert ended.said.endswith("; run the same command again to go on\n")
            stops += 1
    runs.finish()


def test_a_killed_sweep_goes_on_with_what_is_missing(forked: ForkedCli, tmp_path: Path) -> None:
    """Killed when an evaluation has ended and its cell is not stored yet, and then one later."""
    runs = Runs(forked, tmp_path, ABLATE)
    runs.aside = r"^runs/(experiments|\.sweeps)"  # tables with times, and what was asked last
    for coming, cells in ((1, 2), (2, 3)):
        ended = runs.run(kill_at="fill runs/cells/.eval-#.json.#-#-#.part", coming=coming)
        assert ended.code == -SIGKILL
        kept = {path: path.stat().st_mtime_ns for path in runs.folder.glob("runs/cells/*.json")}
        assert len(kept) == cells
    ended = runs.run()
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert "training to run" not in ended.said
    assert "1 evaluation to run" in ended.said
    runs.finish(ended)


STEP = "checkpoints/.step-#.#-#-#.part"
BEGINNING = "it starts from the beginning"
TRAIN_FULL = [
    # place, coming, room, what is said, where the run goes on
    ("write runs/.tokens/#.lock", 1, 0, "the tokens cannot be kept in", BEGINNING),
    ("write runs/.tokens/#.lock", 1, 0, "train.jsonl cannot be written", BEGINNING),
    ("write runs/train__tiny__tsw__#/train.jsonl", 2, 300, "train.jsonl cannot", BEGINNING),
    (
        f"read {STEP}/learner.safetensors",
        1,
        9000,
        "step-00000002",
        BEGINNING,
    ),
    (
        f"write {STEP}/trainer.json",
        2,
        9,
        "step-00000004 cannot",
        "after step 2",
    ),
    ("write runs/train__tiny__tsw__#/train.jsonl", 1, 0, "train.jsonl cannot", "after step 2"),
    ("mkdir runs/train__tiny__tsw__#/adapter", 1, 999, ".safetensors cannot", "after step 6"),
    (
        "fill train__tiny__tsw__#/adapter/.README.md.#-#-#.part",
        1,
        99,
        "README.md cannot",
        "after step 6",
    ),
]
EVAL_FULL = [
    ("fill runs/recall__tiny__delta_mem__tsw__none__none__#/samples.jsonl", 1, 99, "samples.jsonl",
     "the 0 samples before are kept"),
    ("fill runs/recall__tiny__delta_mem__tsw__none__none__#/samples.jsonl", 1, 5000,
     "samples.jsonl cannot be written (", "samples before are kept"),
    ("fill runs/recall__tiny__delta_mem__tsw__none__none__#/.record.json.#-#-#.part", 1, 99,
     "record.json cannot be written (File too large)", "samples are kept"),
    ("fill #/results/.recall__tiny__delta_mem__tsw__none__none__#.json.#-#-#.part", 1, 0,
     "json cannot be written (File too large)", "samples are kept"),
]  # fmt: skip


PRETRAIN_FULL = [
    (f"mkdir pretrain-#/{STEP}", 1, 0, "step-00000002 cannot", BEGINNING),
    ("mkdir runs/pretrain-#/model", 1, 99, "model cannot be written", "after step 6"),
    ("fill pretrain-#/model/.README.md.#-#-#.part", 1, 99, "README.md cannot", "after step 6"),
]


@pytest.mark.parametrize(
    ("words", "cases"),
    [(TRAIN, TRAIN_FULL), (EVAL, EVAL_FULL), (PRETRAIN, PRETRAIN_FULL)],
    ids=["train", "eval", "pretrain"],
)
def test_a_full_disk(
    words: tuple[str, ...], cases: list[Any], forked: ForkedCli, tmp_path: Path
) -> None:
    """Writes that really fail, at one place after the other, in one run that goes on each time."""
    runs = Runs(forked, tmp_path, words)
    for place, coming, room, what, start in cases:
        ended = runs.run(full_from=place, coming=coming, room=room)
        assert ended.code == PARTIAL, (place, ended.said)
        assert what in ended.said
        assert start in ended.said
        assert "make room and run the same command again" in ended.said
        assert "Traceback" not in ended.said
        assert not list(runs.folder.rglob("*.part*"))
    runs.finish()


def truncate(checkpoint: Path) -> None:
    file = checkpoint / "optimizer.safetensors"
    os.truncate(file, file.stat().st_size // 2)


def flip(checkpoint: Path) -> None:
    file = checkpoint / "learner.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def lose(checkpoint: Path) -> None:
    (checkpoint / "trainer.json").unlink()


def empty(checkpoint: Path) -> None:
    for file in checkpoint.iterdir():
        file.unlink()


def swap(checkpoint: Path) -> None:
    """A checkpoint of another run lies there."""
    tensors = {name: load_file(checkpoint / f"{name}.safetensors") for name in TENSORS}
    Checkpoints(checkpoint.parent, key="another").save(Checkpoint(step=6, **tensors))


DAMAGED = "is damaged and was passed over ("
DAMAGES = [
    ((truncate,), DAMAGED + "optimizer.safetensors is not what was written)"),
    ((flip,), DAMAGED + "learner.safetensors is not what was written)"),
    ((lose,), DAMAGED),
    ((empty,), DAMAGED),
    ((swap,), "belongs to another configuration and was passed over"),
    ((flip, empty), DAMAGED + "learner.safetensors is not what was written)"),
]


def test_damaged_checkpoints(forked: ForkedCli, tmp_path: Path) -> None:
    """The newest, or all: the run says so, goes on from the one before, and ends in the same."""
    runs = Runs(forked, tmp_path, TRAIN)
    kept = runs.folder
    assert runs.run(kill_at="mkdir runs/train__tiny__tsw__#/adapter").code == -SIGKILL
    for damages, reason in DAMAGES:
        runs.start_anew()
        shutil.copytree(kept, runs.folder)
        newest_first = sorted(runs.folder.glob("runs/*/checkpoints/step-*"), reverse=True)
        for damage, checkpoint in zip(damages, newest_first, strict=False):
            damage(checkpoint)
        ended = runs.run()
        assert f"{newest_first[0].relative_to(runs.folder)} {reason}" in ended.said
        if damages in ((lose,), (empty,)):
            assert "cannot be read: No such file or directory)" in ended.said
        if len(damages) == len(newest_first):
            assert "no whole checkpoint is left: starting from the beginning" in ended.said
        else:
            assert "resuming after step 4" in ended.said
        runs.finish(ended)
