"""What pip installs works alone: in an environment of its own, from an empty working folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from site import getsitepackages

import pytest
import yaml
from conftest import ROOT

OURS = {"deltamem_baselines", "deltamem", "deltamem_base", "deltamem_cli", "deltamem_evaluations"}
"""Names that the wheel puts on the top level of an environment."""
BORROWED = "dependencies.pth"
"""Names the packages of the environment that runs the tests, so that nothing is downloaded."""
WHERE = (
    "import importlib.util, sys; [print(importlib.util.find_spec(n).origin) for n in sys.argv[1:]]"
)


@dataclass(frozen=True, kw_only=True)
class Installed:
    """An environment in which ``pip install`` was the last that happened."""

    folder: Path
    site: Path
    """Where its packages lie."""
    scripts: set[str]
    """Names of the commands that the installation brought."""

    def run(self, command: str, *words: str, cwd: Path) -> str:
        """What a command of the environment prints; no variable says where modules are."""
        own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        own["PYTHONDONTWRITEBYTECODE"] = "1"
        return run(str(self.folder / "bin" / command), *words, cwd=cwd, env=own)


def run(*call: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=cwd, env=env)
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A new environment with this checkout installed, which only borrows its dependencies."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", str(folder))
    scripts = folder / "bin"
    bare = {path.name for path in scripts.iterdir()}
    (site,) = folder.glob("lib/python*/site-packages")
    # a .pth within a folder that a .pth names is not read: so the editable install stays unseen
    (site / BORROWED).write_text("\n".join(getsitepackages()) + "\n", encoding="utf-8")
    # neither is it taken for an older version that would have to go
    words = "--no-deps --no-index --no-build-isolation --no-compile --ignore-installed".split()
    pip = [sys.executable, "-m", "pip", "--python", str(scripts / "python"), "install", "-q"]
    run(*pip, *words, str(ROOT), cwd=folder)
    brought = {path.name for path in scripts.iterdir()} - bare
    return Installed(folder=folder, site=site, scripts=brought)


def test_what_the_wheel_holds(installed: Installed) -> None:
    site = installed.site
    about = next(site.glob("deltamem-*.dist-info"))
    assert {path.name for path in site.iterdir()} == {*OURS, about.name, BORROWED}
    assert installed.scripts == {"deltamem", "deltamem-lm-eval"}
    conf = {path.relative_to(ROOT / "conf") for path in (ROOT / "conf").rglob("*.yaml")}
    placed = site / "deltamem_cli" / "conf"
    assert {path.relative_to(placed) for path in placed.rglob("*.yaml")} == conf
    metadata = (about / "METADATA").read_text(encoding="utf-8")
    assert "Author: The deltamem authors" in metadata
    assert "Project-URL: Paper, https://arxiv.org/abs/2605.12357" in metadata


def test_what_is_imported_is_what_was_installed(installed: Installed, tmp_path: Path) -> None:
    names = sorted(OURS)
    places = installed.run("python", "-c", WHERE, *names, cwd=tmp_path).splitlines()
    assert [Path(path) for path in places] == [
        installed.site / name / "__init__.py" for name in names
    ]


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    for key in ("version", "license"):
        assert str(cited[key]) == project[key]
    assert [author["name"] for author in cited["authors"]] == [
        author["name"] for author in project["authors"]
    ]
    assert f"## {project['version']}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_it_works_from_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    listed = json.loads(installed.run("deltamem", "list", "--json", cwd=tmp_path))["rows"]
    assert {"tiny", "recall", "ssw"} <= {row["name"] for row in listed}
    words = ("demo", "-q", "--json", "dialogues=1", "live_steps=1")
    shown = json.loads(installed.run("deltamem", *words, cwd=tmp_path))
    assert {row["method"] for row in shown["rows"]} == {"delta_mem", "frozen"}
    assert (tmp_path / "runs" / "demo").is_dir()
