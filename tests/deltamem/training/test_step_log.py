"""The log of a training holds each step once and in order, wherever it was cut."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltamem.training import StepLog, StepReport
from deltamem_base.faults import CannotWrite


def report(step: int) -> StepReport:
    return StepReport(
        step=step,
        steps=9,
        loss=1 / step,
        em=0.0,
        mean_gate_term=0.0,
        grad_norm=1.0,
        learning_rate=0.1,
        tokens_per_second=1.0,
        held_out_em=0.5 if step == 2 else None,
    )


def log_of(path: Path, *steps: int) -> StepLog:
    log = StepLog(path)
    for step in steps:
        log.append(report(step))
    return log


def steps_of(path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


@given(data=st.data())
def test_cut_anywhere_and_gone_on(data: st.DataObject) -> None:
    """As a killed process leaves it: whole lines of some steps, and a torn one."""
    with TemporaryDirectory() as name:
        path = Path(name) / "runs" / "train.jsonl"
        log_of(path, 1, 2, 3, 4, 5)
        whole = path.read_bytes()
        kept = whole[: data.draw(st.integers(0, len(whole)))]
        path.write_bytes(kept)
        done = data.draw(st.integers(0, kept.count(b"\n")))  # a checkpoint is later than its line
        log = StepLog(path)
        log.resume(done)
        for step in range(done + 1, 6):
            log.append(report(step))
        assert path.read_bytes() == whole


def test_a_damaged_line_is_kept_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    log_of(path, 1, 2, 3)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:20], lines[2]]) + "\n")
    log = StepLog(path)
    log.resume(3)
    assert len(path.read_text().splitlines()) == 3
    assert log.known()["step"] == 3
    assert "held_out_em" not in log.known()


def test_the_latest_of_everything_is_known(tmp_path: Path) -> None:
    log = log_of(tmp_path / "train.jsonl", 1, 2, 3)
    assert (log.known()["step"], log.known()["held_out_em"]) == (3, 0.5)
    assert StepLog(tmp_path / "nowhere.jsonl").known() == {}


def test_a_full_disk(tmp_path: Path) -> None:
    """/dev/full fails on write as a full disk does."""
    (tmp_path / "train.jsonl").symlink_to("/dev/full")
    with pytest.raises(CannotWrite, match=r"train.jsonl cannot be written \(No space left"):
        log_of(tmp_path / "train.jsonl", 1)
