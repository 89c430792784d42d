"""A file that is written is there whole, or what was there before is."""

from __future__ import annotations

from pathlib import Path

import pytest

from deltamem.backbone.atomic import atomically
from deltamem.errors import CannotWrite


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


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(CannotWrite, match="file/x cannot be written"),
        atomically(tmp_path / "file" / "x"),
    ):
        pass
