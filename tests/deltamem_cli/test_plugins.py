"""A benchmark of somebody's own, in place by either way: every verb knows it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from deltamem_base.plugins import named_object, plugin_configs

EXAMPLE = ROOT / "tests" / "example_plugin"
BENCH = "bench=whereabouts"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example as pip installs it, in a folder of its own."""
    source = shutil.copytree(EXAMPLE, tmp_path_factory.mktemp("source") / "example")
    target = tmp_path_factory.mktemp("site")
    words = ["install", "-q", "--no-build-isolation", "--no-deps", "--no-index", "--target"]
    call = [sys.executable, "-m", "pip", *words, str(target), str(source)]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has a path and modules of its own."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("lab_questions", None)
    from deltamem_base.plugins import _found

    _found.cache_clear()


def evaluated(cli: Callable[..., Any]) -> str:
    """The folder of a run of the example."""
    assert "Where a few people are, said once" in cli("list", "benchmarks").out
    done = cli("eval", "-q", "--json", BENCH, "bench.people=2", "writer=msw", "context=none")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["metrics"]["right"]["mean"] == 1.0
    run = str(Path(record["path"]).parent)
    scored = cli("score", run, "--json")
    assert (scored.code, json.loads(scored.out)["metrics"]) == (0, record["metrics"]), scored.err
    return run


def test_every_verb_knows_the_benchmark_of_an_installed_package(
    installed: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(installed)
    run = evaluated(cli)
    assert "Where is Clara today?" in cli("show", BENCH).out
    for words in (
        ("audit", BENCH, "writer=msw"),
        ("inspect", run),
        ("doctor", "eval", BENCH, "writer=msw"),
    ):
        done = cli(*words)
        assert done.code == 0, done.err
    assert "whereabouts" in cli("report", "runs").out


def test_a_folder_that_the_variable_names_is_a_plug_in(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Path("lab").absolute()
    shutil.copytree(EXAMPLE / "lab_questions", lab / "lab_questions")
    (lab / "lab_questions" / "conf").rename(lab / "conf")
    monkeypatch.setenv("DELTAMEM_PATH", str(lab))
    run = evaluated(cli)
    monkeypatch.delenv("DELTAMEM_PATH")
    missing = cli("score", run)
    assert missing.code == 2
    assert "names bench='whereabouts', which is not one of" in missing.err
    assert (
        "if a plug-in brings it, install that, or name its folder in DELTAMEM_PATH" in missing.err
    )
    assert "whereabouts" in cli("report", "runs").out


def put(folder: str, files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files that ``DELTAMEM_PATH`` names."""
    lab = Path(folder).absolute()
    for name, text in files.items():
        (lab / name).parent.mkdir(parents=True, exist_ok=True)
        (lab / name).write_text(text)
    monkeypatch.setenv("DELTAMEM_PATH", str(lab))
    return lab


def test_own_yaml_of_classes_that_are_ours(
    cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = "# Two states.\n_target_: deltamem.writers.MultiStateWriter\nnum_states: 2\n"
    base = "# A longer one.\ndefaults:\n  - recall\n  - _self_\n\nsteps: 1234\n"
    put("lab", {"conf/writer/pair.yaml": pair, "conf/training/longer.yaml": base}, monkeypatch)
    assert "pair" in cli("list", "writers").out
    done = cli("train", "--cfg", "job", "writer=pair", "training=longer")
    assert done.code == 0, done.err
    assert "num_states: 2" in done.out
    assert "steps: 1234" in done.out
    assert "Two states" in cli("list").out


@pytest.mark.parametrize(
    ("files", "words", "sentence"),
    [
        ({"conf/bench/recall.yaml": ""}, ["bench=recall"], "recall is defined in .*: rename one"),
        ({"conf/bench/own.yaml": "a: ["}, ["bench=own"], "yaml of a plug-in cannot be read: .*own"),
        (
            {"conf/bench/own.yaml": "_target_: own.Own", "own.py": "import nothing_there"},
            ["bench=own"],
            "the plug-in own cannot be imported: No module named 'nothing_there'",
        ),
        (
            {"conf/bench/own.yaml": "_target_: own.Own", "own.py": "1 / 0"},
            ["bench=own"],
            "the plug-in own cannot be imported: division by zero",
        ),
        (
            {"conf/bench/own.yaml": "_target_: torch.load", "torch.py": ""},
            ["bench=own"],
            "torch.py cannot be a plug-in, because torch is already the name of .*/torch/__init__",
        ),
        ({"x": ""}, ["hydra.searchpath=[file:///x]"], "the variable DELTAMEM_PATH, so that every"),
    ],
    ids=str,
)
def test_what_cannot_be_a_plug_in(
    files: dict[str, str],
    words: list[str],
    sentence: str,
    cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put("lab", files, monkeypatch)
    done = cli("show", *words)
    assert done.code == 2
    assert re.search(sentence, done.err), done.err
    assert done.err.count("\n") == 1


def test_a_folder_that_is_none(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELTAMEM_PATH", "nowhere")
    done = cli("list", "benchmarks")
    assert done.code == 2
    assert "DELTAMEM_PATH names" in done.err
    assert done.err.endswith("nowhere, which is no folder\n")


def test_the_working_folder_is_no_plug_in(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty name in a variable is the working folder to a shell, and nothing here."""
    lab = put("lab", {"conf/bench/own.yaml": "", "own.py": "class Own: pass"}, monkeypatch)
    Path("conf").mkdir()
    monkeypatch.setenv("DELTAMEM_PATH", f":{lab}:")
    assert [folder for folder in plugin_configs() if in_folder in folder.parents] == [lab / "conf"]
    assert named_object("own.Own").__name__ == "Own"
