"""Stores of several processes: whoever dies, each answer is kept once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from toys import Letters, Parrot

from deltamem_base.faults import Fault, InvalidData
from deltamem_evaluations.grouping import share
from deltamem_evaluations.records.shares import left_shares, share_folder, take_in
from deltamem_evaluations.records.store import SAMPLES, SampleStore, read_samples
from deltamem_evaluations.runner import Plan, run


def answer(folder: Path, *, process: int, processes: int, key: str = "k") -> None:
    asked = share(Letters(), Letters().samples(), process=process, processes=processes)
    place = share_folder(folder, process) if process else folder
    with SampleStore(place, key=key) as store:
        run(Letters(), Parrot(), store, plan=Plan(), asked=asked)


def test_what_processes_left_is_taken_in_and_only_the_rest_is_asked(tmp_path: Path) -> None:
    answer(tmp_path, process=0, processes=3)
    answer(tmp_path, process=2, processes=3)
    method = Parrot()
    with SampleStore(tmp_path, key="k") as store:
        take_in(store, left_shares(tmp_path))
        scored = run(Letters(), method, store, plan=Plan())
    assert len(scored) == len(read_samples(tmp_path)) == 15
    left = share(Letters(), Letters().samples(), process=1, processes=3)
    assert f"answer {len(left)} of at most 16" in method.log
    assert [path.name for path in tmp_path.iterdir()] == [SAMPLES]


def test_a_share_that_was_taken_in_and_not_yet_removed_counts_once(tmp_path: Path) -> None:
    """Whoever is killed between the two leaves both, or a folder without a store."""
    answer(tmp_path, process=1, processes=2)
    shutil.copytree(share_folder(tmp_path, 1), tmp_path / "before")
    with SampleStore(tmp_path, key="k") as store:
        take_in(store, left_shares(tmp_path))
        once = store.path.read_bytes()
        shutil.copytree(tmp_path / "before", share_folder(tmp_path, 1))
        share_folder(tmp_path, 2).mkdir()
        take_in(store, left_shares(tmp_path))
        assert store.path.read_bytes() == once
    assert left_shares(tmp_path) == []


def test_a_broken_last_line_of_a_share_is_left_out(tmp_path: Path) -> None:
    answer(tmp_path, process=1, processes=2)
    path = share_folder(tmp_path, 1) / SAMPLES
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with SampleStore(tmp_path, key="k") as store:
        take_in(store, left_shares(tmp_path))
    assert (tmp_path / SAMPLES).read_bytes() == b"".join(whole.splitlines(keepends=True)[:-1])


def test_a_share_that_is_still_written_and_one_of_another_run_are_refused(tmp_path: Path) -> None:
    """A launcher that was killed may leave its processes alive."""
    answer(tmp_path / "run", process=1, processes=2)
    with SampleStore(tmp_path / "run", key="k") as store:
        with (
            SampleStore(share_folder(tmp_path / "run", 1), key="k"),
            pytest.raises(Fault, match="another process is writing"),
        ):
            take_in(store, left_shares(tmp_path / "run"))
        assert not store.lines
    with (
        SampleStore(tmp_path / "run", key="other") as store,
        pytest.raises(InvalidData, match="belongs to another configuration"),
    ):
        take_in(store, left_shares(tmp_path / "run"))
    assert read_samples(share_folder(tmp_path / "run", 1))
