"""Files of sessions within their bounds."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from deltamem_base.faults import CannotWrite, Fault
from deltamem_cli.serving.bounds import SessionBounds
from deltamem_cli.serving.refusal import Refusal
from deltamem_cli.serving.session_files import SessionFiles, only_server


def files(folder: Path, **bounds: Any) -> SessionFiles:
    return SessionFiles(SessionBounds(folder=str(folder), **bounds))


def keep(files: SessionFiles, name: str, size: int = 10, *, hours_ago: float = 0) -> None:
    files.keep(name, lambda path: path.write_bytes(b"x" * size))
    path = files.find(name)
    assert path is not None
    used = time.time() - 3600 * hours_ago
    os.utime(path, (used, used))


def there(files: SessionFiles, names: str) -> str:
    return "".join(name for name in names if files.find(name) is not None)


def test_the_oldest_go_first(tmp_path: Path) -> None:
    kept = files(tmp_path, count=3)
    for age, name in enumerate("dcba"):
        keep(kept, name, hours_ago=10 - age)
    assert there(kept, "abcd") == "abc"
    keep(kept, "c")  # is used again
    keep(kept, "e")
    assert there(kept, "abcde") == "ace"
    assert there(files(tmp_path, count=1), "abcde") == "e"


def test_bytes_are_bounded(tmp_path: Path) -> None:
    kept = files(tmp_path, bytes=30)
    for age, name in enumerate("cba"):
        keep(kept, name, hours_ago=10 - age)
    keep(kept, "a", 20)
    assert there(kept, "abc") == "ab"
    keep(kept, "b", 30)
    assert there(kept, "abc") == "b"
    with pytest.raises(Refusal, match="the session would take 31 bytes, more than the 30"):
        keep(kept, "b", 31)
    path = kept.find("b")
    assert path is not None
    assert path.stat().st_size == 30
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name]


def test_what_is_idle_is_forgotten(tmp_path: Path) -> None:
    kept = files(tmp_path, idle_hours=2)
    keep(kept, "a", hours_ago=1.9)
    keep(kept, "b", hours_ago=2.1)
    assert there(kept, "ab") == "a"


def test_other_files_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.dmstate").write_text("mine")
    keep(files(tmp_path, count=1, bytes=10), "a")
    assert (tmp_path / "notes.dmstate").read_text() == "mine"


def test_one_server_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "sessions"
    with only_server(folder):
        assert folder.stat().st_mode & 0o077 == 0
        with pytest.raises(Fault, match="another server keeps its sessions"), only_server(folder):
            pass
    with only_server(folder):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite), only_server(tmp_path / "file" / "sessions"):
        pass
