"""An evaluation that processes of a launcher share: the record of one, whoever dies on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from child_environment import child_environment
from several_ranks import Ended, Step, endings

from deltamem_cli.app import app
from deltamem_cli.errors import FAULT, OK, PARTIAL, USAGE
from deltamem_cli.exits import exit_with
from deltamem_evaluations.records.store import SAMPLES

EVAL = (
    *("eval", "model=tiny", "context=none", "bench=recall", "bench.facts=[1,2,3]"),
    *("bench.dialogues=2", "runtime.batch_size=2"),
)
BEFORE = 3
"""Answers of a single process before others share the rest."""
ROOM = 4000
"""Bytes: of two answers, and a part of a third."""
STEPS = (
    Step(words=[*EVAL, "runs_dir=whole"]),
    Step(words=["eval", "model=nope"]),
    Step(words=EVAL, second=["seed=1"]),
    Step(words=EVAL, room=ROOM),
    Step(words=EVAL, kill_after=2),
)
TIMES = {"tokens_per_second", "write_seconds", "answer_seconds", "wall_seconds", "peak_memory_mb",
         "date"}  # fmt: skip
"""All that may differ between a run of one process and one of several, in answers and records."""


@dataclass(frozen=True, kw_only=True)
class Launched:
    """What two processes did, and one that went on alone when the second was dead."""

    folder: Path
    """Folder of the two."""
    code: int
    """Exit code of the launcher."""
    first: list[Ended]
    second: list[Ended]
    kept: list[str]
    """Stored lines when the second process had been killed."""
    alone: int
    """Exit code of the one that went on."""


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an undisturbed run of one process."""
    folder = tmp_path_factory.mktemp("calm")
    with chdir(folder):
        assert exit_with(lambda: app([*EVAL, "-q"])) == OK
    return folder


@pytest.fixture(scope="module")
def launched(calm: Path, tmp_path_factory: pytest.TempPathFactory) -> Launched:
    folder = tmp_path_factory.mktemp("ranks")
    (run,) = calm.glob("runs/*")
    begun = folder / "runs" / run.name
    begun.mkdir(parents=True)
    lines = (run / SAMPLES).read_text(encoding="utf-8").splitlines(keepends=True)
    (begun / SAMPLES).write_text("".join(lines[:BEFORE]), encoding="utf-8")
    script = Path(__file__).parent.parent / "several_ranks.py"
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    done = subprocess.run(
        [sys.executable, *launcher, str(script), json.dumps([asdict(step) for step in STEPS])],
        capture_output=True,
        check=False,
        cwd=folder,
        env=child_environment(),
    )
    kept = [line for path in begun.rglob(SAMPLES) for line in stored(path)]
    with chdir(folder):
        alone = exit_with(lambda: app([*EVAL, "-q"]))
    return Launched(
        folder=folder,
        code=done.returncode,
        first=endings(folder, 0),
        second=endings(folder, 1),
        kept=kept,
        alone=alone,
    )


def stored(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def timeless(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: timeless(value) for key, value in content.items() if key not in TIMES}
    return content


def left(runs: Path) -> dict[str, Any]:
    """All files of the only run, but for times; answers in the order of their ids."""
    (run,) = runs.iterdir()
    found: dict[str, Any] = {}
    for path in (path for path in run.rglob("*") if path.is_file()):
        rows = [timeless(json.loads(text)) for text in documents(path)]
        found[path.name] = sorted(rows, key=lambda row: row.get("id", ""))
    return found


def documents(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return text.splitlines() if path.suffix == ".jsonl" else [text.replace("whole/", "runs/")]


def said(ended: Ended) -> Iterator[str]:
    return (line for line in ended.err.splitlines() if line.startswith("error: "))


def test_two_processes_leave_the_record_and_the_answers_of_one(
    calm: Path, launched: Launched
) -> None:
    first, second = launched.first[0], launched.second[0]
    assert (first.code, second.code) == (OK, OK), first.err
    wanted = left(calm / "runs")
    assert left(launched.folder / "whole") == wanted
    assert set(wanted) == {"record.json", SAMPLES}
    assert (second.out, second.err) == ("", "")
    asked = len(wanted[SAMPLES])
    assert "2 processes share 14 histories; progress is that of the first one" in first.err
    assert f"(1 of 2 processes): {asked // 2}/{asked // 2}" in first.err
    assert first.out.count("em ") == 1


def test_the_other_launcher_shares_it_too(calm: Path, tmp_path: Path) -> None:
    # without a GPU, it starts one process unless it is asked for several in this word
    several = ("--multi_gpu", "--num_processes", "2", "--num_machines", "1")
    plain = ("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0")
    launcher = ("-m", "accelerate.commands.launch", *several, *plain, "-m", "deltamem_cli")
    done = subprocess.run(
        [sys.executable, *launcher, *EVAL],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=child_environment(),
    )
    assert done.returncode == OK, done.stderr
    assert "2 processes share 14 histories" in done.stderr
    assert done.stdout.count("em ") == 1
    assert left(tmp_path / "runs") == left(calm / "runs")


@pytest.mark.parametrize(
    ("step", "code", "sentence"),
    [
        (1, USAGE, "error: no model 'nope'"),
        (2, FAULT, "error: the processes do not have the same settings, data, weights or kind"),
        (3, PARTIAL, "error: runs/recall__tiny__delta_mem__tsw__none__none__"),
    ],
    ids=["of each", "of both together", "of the second in the midst"],
)
def test_a_fault_is_one_sentence_and_ends_both(
    step: int, code: int, sentence: str, launched: Launched
) -> None:
    first, second = launched.first[step], launched.second[step]
    assert (first.code, second.code) == (code, code)
    (line,) = said(first)
    assert line.startswith(sentence)
    assert second.err == ""
    assert first.out == ""


def test_a_full_disk_of_the_second_process_is_named(launched: Launched) -> None:
    (line,) = said(launched.first[3])
    assert "shares/1/samples.jsonl cannot be written (No space left on device)" in line
    assert "the 2 samples before are kept: make room and run the same command again" in line


def test_after_kill_9_one_process_goes_on_and_answers_nothing_twice(
    calm: Path, launched: Launched
) -> None:
    assert launched.code == 1
    assert len(launched.second) == len(STEPS) - 1, "it did not live to write the last one down"
    (line,) = said(launched.first[-1])
    assert "run the same command again" in line
    assert launched.alone == OK
    wanted = left(calm / "runs")
    assert left(launched.folder / "runs") == wanted
    assert BEFORE + 2 < len(launched.kept) < len(wanted[SAMPLES])
    (run,) = launched.folder.glob("runs/*")
    # to the byte, with the seconds that each answer took: none was given again
    assert not Counter(launched.kept) - Counter(stored(run / SAMPLES))
    assert [path.name for path in run.iterdir() if path.is_dir()] == []
