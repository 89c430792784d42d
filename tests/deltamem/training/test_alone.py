"""One process in a run folder: who comes second, and what is left of one that died."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deltamem.training import only_run
from deltamem_base.faults import CannotWrite, Fault


def test_the_second_is_refused_until_the_first_has_ended(tmp_path: Path) -> None:
    with only_run(tmp_path / "run"):
        with (
            pytest.raises(Fault, match="another process is training in .*run: "),
            only_run(tmp_path / "run"),
        ):
            pytest.fail("two are in it")
        with only_run(tmp_path / "other"):
            pass
    with only_run(tmp_path / "run"):
        pass


def test_a_process_that_dies_leaves_no_lock(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        with only_run(tmp_path):
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert (tmp_path / ".lock").is_file()
    with only_run(tmp_path):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CannotWrite, match="the run folder .*run cannot be written"),
        only_run(tmp_path / "file" / "run"),
    ):
        pytest.fail("there is no folder")
