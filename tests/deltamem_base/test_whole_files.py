"""A file that is written is there whole, or what was there before is."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deltamem_base.faults import CannotWrite
from deltamem_base.whole_files import (
    MACHINE,
    atomically,
    cannot_write,
    folder_beside,
    write_json,
    write_text,
)

DIES_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from deltamem_base.whole_files import atomically
with atomically(Path(sys.argv[1])) as part:
    part.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_takes_the_place_of_the_old_one_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "below" / "file"
    for text in ("one", "two"):
        with atomically(path) as part:
            part.write_text(text)
            assert not path.exists() or path.read_text() == "one"
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_what_was_there(fault: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    expected = CannotWrite if isinstance(fault, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as raised, atomically(path) as part:
        part.write_text("half")
        raise fault
    if isinstance(fault, OSError):
        assert str(raised.value) == f"{path} cannot be written (No space left on device)"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
        (errno.EROFS, "make it writable"),
        (errno.EACCES, "make it writable"),
    ],
)
def test_room_is_asked_for_where_room_is_missing(number: int, remedy: str) -> None:
    fault = cannot_write("the file", OSError(number, os.strerror(number)))
    assert str(fault) == f"the file cannot be written ({os.strerror(number)})"
    assert fault.remedy == remedy
    # safetensors has no number, only the words
    assert cannot_write("it", ValueError(f"I/O error: {os.strerror(number)}")).remedy == remedy


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CannotWrite, match="file/x cannot be written"),
        atomically(tmp_path / "file" / "x"),
    ):
        pass


def test_numbers_that_json_has_no_word_for_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "file", {"mean": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_links_that_others_put_where_a_part_could_be_are_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    dead = dead_process()
    for name in (".file.part", f".file.{MACHINE}-{dead}-1.part"):
        (tmp_path / name).symlink_to(victim)
    (tmp_path / "file").symlink_to(victim)
    write_text(tmp_path / "file", "new")
    assert victim.read_text() == "mine"
    assert (tmp_path / "file").read_text() == "new"
    assert not (tmp_path / "file").is_symlink()


def test_parts_of_dead_processes_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    path = tmp_path / "file"
    done = subprocess.run([sys.executable, "-c", DIES_WHILE_WRITING, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert [place.name.endswith(".part") for place in tmp_path.iterdir()] == [True]
    living = tmp_path / f".file.{MACHINE}-{os.getppid()}-1.part"
    elsewhere = tmp_path / f".file.{(MACHINE + 1) % 10**6}-{dead_process()}-1.part"
    for place in (living, elsewhere):
        place.write_text("half")
    write_text(path, "whole")
    assert set(tmp_path.iterdir()) == {path, living, elsewhere}


def test_its_mode_is_that_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_text(tmp_path / "file", "")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def dead_process() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_folder_beside_a_file_is_ones_own_and_gone_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with folder_beside(path) as folder, folder_beside(path) as other:
        assert folder != other
        assert folder.parent == tmp_path
        (folder / "part").write_text("whole")
        (folder / "part").replace(path)
        (folder / "left").touch()
    assert [place.name for place in tmp_path.iterdir()] == ["file"]
    orphan = tmp_path / f".file.{MACHINE}-{dead_process()}-1.part"
    orphan.mkdir()
    (orphan / "left").touch()
    with folder_beside(path):
        assert not orphan.exists()


def test_a_link_in_the_name_of_a_dead_process_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "kept").touch()
    (tmp_path / f".file.{MACHINE}-{dead_process()}-1.part").symlink_to(victim)
    with folder_beside(tmp_path / "file"):
        assert (victim / "kept").exists()
