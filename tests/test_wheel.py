"""What pip installs works alone: the wheel in a folder of its own, from an empty working folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

OURS = {"deltamem_baselines", "deltamem", "deltamem_base", "deltamem_cli", "deltamem_evaluations"}
"""Names that the wheel puts on the top level of an environment."""


def run(*call: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds nothing but the installed wheel."""
    made, target = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("site")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(made), cwd=ROOT)
    (wheel,) = made.glob("*.whl")
    words = ["-q", "--no-deps", "--no-index", "--no-compile", "--target"]
    run(sys.executable, "-m", "pip", "install", *words, str(target), str(wheel))
    return target


@pytest.fixture
def installed(site: Path, tmp_path: Path) -> Callable[..., str]:
    """``installed("list")`` from an empty folder, with the packages of the wheel before all."""

    def call(*words: str) -> str:
        own = {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
        return run(str(site / "bin" / "deltamem"), *words, cwd=tmp_path, env=own)

    return call


def test_what_the_wheel_holds(site: Path) -> None:
    about = next(site.glob("deltamem-*.dist-info"))
    assert {path.name for path in site.iterdir()} == {*OURS, about.name, "bin"}
    assert {path.name for path in (site / "bin").iterdir()} == {"deltamem", "deltamem-lm-eval"}
    conf = {path.relative_to(ROOT / "conf") for path in (ROOT / "conf").rglob("*.yaml")}
    placed = site / "deltamem_cli" / "conf"
    assert {path.relative_to(placed) for path in placed.rglob("*.yaml")} == conf
    metadata = (about / "METADATA").read_text(encoding="utf-8")
    assert "Author: The deltamem authors" in metadata
    assert "Project-URL: Paper, https://arxiv.org/abs/2605.12357" in metadata


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    for key in ("version", "license"):
        assert str(cited[key]) == project[key]
    assert [author["name"] for author in cited["authors"]] == [
        author["name"] for author in project["authors"]
    ]
    assert f"## {project['version']}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_it_works_from_an_empty_folder(installed: Callable[..., str], tmp_path: Path) -> None:
    listed = json.loads(installed("list", "--json"))["rows"]
    assert {"tiny", "recall", "ssw"} <= {row["name"] for row in listed}
    shown = json.loads(installed("demo", "-q", "--json", "dialogues=1", "live_steps=1"))
    assert {row["method"] for row in shown["rows"]} == {"delta_mem", "frozen"}
    assert (tmp_path / "runs" / "demo").is_dir()
