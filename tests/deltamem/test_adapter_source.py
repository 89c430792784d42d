"""Adapters by folder and by the hub's id, from a cache that is laid out as the hub's."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from deltamem import load_adapter
from deltamem.adapter_source import adapter_folder
from deltamem.errors import Unavailable

SHA = "0123456789abcdef0123456789abcdef01234567"
SHIPPED = Path(str(files("deltamem") / "tiny" / "adapters" / "tsw"))


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that holds the shipped adapter as ``someone/memory`` at one commit."""
    from huggingface_hub import constants

    repository = tmp_path / "models--someone--memory"
    shutil.copytree(SHIPPED, repository / "snapshots" / SHA)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(SHA)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return repository


def test_a_folder_is_itself() -> None:
    assert adapter_folder(str(SHIPPED)) == SHIPPED


@pytest.mark.parametrize("name", ["someone/memory", f"someone/memory@{SHA}"])
def test_a_repository_is_found_in_the_cache_and_loads(
    name: str, hub_cache: Path, tiny: Any
) -> None:
    folder = adapter_folder(name)
    assert folder.resolve() == (hub_cache / "snapshots" / SHA).resolve()
    assert load_adapter(folder, tiny).sha == load_adapter(SHIPPED, tiny).sha


@pytest.mark.parametrize("name", ["someone/other", "someone/memory@no-such-commit"])
def test_what_is_not_here_is_said(name: str, hub_cache: Path) -> None:
    with pytest.raises(Unavailable, match=f"the adapter {name} is neither a folder nor on this"):
        adapter_folder(name)


@pytest.mark.parametrize("name", ["runs/a/adapter", "nowhere", ""])
def test_what_is_no_folder_and_no_repository(name: str) -> None:
    with pytest.raises(Unavailable, match="there is no adapter folder"):
        adapter_folder(name)
