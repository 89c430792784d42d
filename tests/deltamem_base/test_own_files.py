"""Files that are run again are this user's alone, and whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deltamem_base.faults import Unavailable
from deltamem_base.own_files import is_sealed, own_folder, seal

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    path = own_folder(tmp_path) / "library.so"
    path.write_bytes(b"code")
    seal(path)
    return path


def test_a_folder_of_ones_own_in_a_folder_of_all(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    folder = own_folder(shared)
    assert folder == own_folder(shared)
    assert folder.parent == shared
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_a_folder_that_others_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    own_folder(tmp_path).chmod(mode)
    with pytest.raises(Unavailable, match="others may write to it: remove it"):
        own_folder(tmp_path)


def test_a_link_is_no_folder_of_ones_own(tmp_path: Path) -> None:
    folder = own_folder(tmp_path)
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unavailable, match="belongs to another user"):
        own_folder(tmp_path)


@as_root
def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    os.chown(own_folder(tmp_path), 1, 1)
    with pytest.raises(Unavailable, match="belongs to another user"):
        own_folder(tmp_path)


def test_a_whole_file_is_sealed(sealed: Path) -> None:
    assert is_sealed(sealed)


@pytest.mark.parametrize("content", [b"", b"cod", b"codes", b"evil"])
def test_other_bytes_are_not(sealed: Path, content: bytes) -> None:
    sealed.write_bytes(content)
    assert not is_sealed(sealed)


def test_without_a_seal_or_a_file_nothing_is(sealed: Path) -> None:
    mark = sealed.with_name("library.so.sha256")
    kept = mark.read_bytes()
    mark.unlink()
    assert not is_sealed(sealed)
    mark.write_bytes(kept)
    assert is_sealed(sealed)
    sealed.unlink()
    assert not is_sealed(sealed)


@pytest.mark.parametrize("name", ["library.so", "library.so.sha256"])
def test_a_file_that_others_may_write_is_not(sealed: Path, name: str) -> None:
    sealed.with_name(name).chmod(0o622)
    assert not is_sealed(sealed)


@pytest.mark.parametrize("name", ["library.so", "library.so.sha256"])
def test_a_link_is_not(sealed: Path, name: str) -> None:
    place = sealed.with_name(name)
    place.rename(sealed.with_name("elsewhere"))
    place.symlink_to(sealed.with_name("elsewhere"))
    assert not is_sealed(sealed)


@as_root
def test_another_users_file_is_not(sealed: Path) -> None:
    os.chown(sealed, 1, 1)
    assert not is_sealed(sealed)
