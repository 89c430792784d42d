"""Adapters by folder and by the hub's id, from its cache or from a hub on this machine."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
from hub_server import Hub, Repository

from deltamem import load_adapter, save_published_adapter
from deltamem.adapter.source import adapter_folder, pinned_source
from deltamem.adapter.weights import stored_sha
from deltamem_base.downloads import told_of_downloads
from deltamem_base.faults import Unavailable

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
    with pytest.raises(Unavailable, match=f"the adapter {name} is not on this machine"):
        adapter_folder(name)


@pytest.mark.parametrize("name", ["runs/a/adapter", "nowhere", ""])
def test_what_is_no_folder_and_no_repository(name: str) -> None:
    with pytest.raises(Unavailable, match="there is no adapter folder"):
        adapter_folder(name)


def test_the_authors_release_is_fetched_by_id(hub: Hub, tiny: Any, tmp_path: Path) -> None:
    """Their file layout, in a repository of that name: other weights, since theirs are not here."""
    memory = load_adapter(SHIPPED, tiny)
    folder = save_published_adapter(memory, tmp_path / "theirs", backbone=tiny)
    content = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(content) == {"delta_mem_config.json", "delta_mem_adapter.pt"}
    name = "declare-lab/delta-mem_qwen3_4b-instruct"
    hub.repositories[name] = Repository(private=False)
    sha = hub.repositories[name].commit("main", {**content, "figure.png": b"pixels"}, "release")
    said: list[str] = []
    with told_of_downloads(said.append):
        fetched = adapter_folder(f"{name}@{sha}")
        assert adapter_folder(f"{name}@{sha}") == fetched  # on this machine now: not a word
    assert said == [f"fetching the adapter {name}@{sha} from the hub ..."]
    assert {path.name for path in fetched.iterdir()} == set(content)
    assert load_adapter(fetched, tiny).sha == memory.sha
    asked = len(hub.asked)
    assert adapter_folder(f"{name}@{sha}") == fetched
    assert len(hub.asked) == asked


def test_the_commit_of_a_repository_is_known(hub_cache: Path) -> None:
    for name in ("someone/memory", "someone/memory@main", f"someone/memory@{SHA}"):
        assert pinned_source(name, adapter_folder(name)) == f"someone/memory@{SHA}"
    assert pinned_source(str(SHIPPED), SHIPPED) == str(SHIPPED)


def test_the_sha_of_a_release_in_bfloat16_is_that_of_what_is_loaded(
    tiny: Any, tmp_path: Path
) -> None:
    folder = save_published_adapter(load_adapter(SHIPPED, tiny), tmp_path, backbone=tiny)
    file = folder / "delta_mem_adapter.pt"
    weights = torch.load(file, weights_only=True)
    assert any(not w.any() for w in weights.values())  # of projections that are not steered
    torch.save({name: w.bfloat16() for name, w in weights.items()}, file)
    assert stored_sha(folder) == load_adapter(folder, tiny).sha
