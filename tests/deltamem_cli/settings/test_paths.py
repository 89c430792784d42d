"""Paths: ``~`` is a home folder everywhere, and what is published names no folder of a machine."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from child_environment import child_environment
from hypothesis import given
from hypothesis import strategies as st

from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.groups import options
from deltamem_cli.settings.identity import public_words, recorded
from deltamem_cli.settings.job import run_config
from deltamem_cli.settings.paths import without_machine

SMALL = ("bench.dialogues=1", "bench.facts=[1]", "method=frozen")
SHORT = (
    *("training.steps=1", "training.batch_size=1", "training.micro_batch_size=1"),
    *("training.data.held_out=1", "memory.rank=2"),
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    return folder


def test_a_home_folder_is_written_out(home: Path, cli: Callable[..., Any]) -> None:
    words = ["runs_dir='~/runs'", "results_dir='~/results'"]
    for more in ([], ["-m", "seed=0,1"]):
        done = cli("eval", "-q", *SMALL, *words, *more)
        assert done.code == 0, done.err
    assert len(list((home / "runs").glob("*/record.json"))) == 2
    assert len(list((home / "results").glob("*.json"))) == 2
    assert not Path("~").exists()


def test_every_setting_that_is_a_path_may_begin_at_home(home: Path) -> None:
    words = ["bench=memory_agent_bench", "model=hf", "model.id='~/m'", "adapter='~/a'"]
    words += ["bench.path='~/b'", "bench.templates='~/t'", "bench.entities='~/e'"]
    (composed,) = compose_each("eval", [words])
    found: list[Composed] = []
    run_config("eval", found.append, words)
    assert found == [replace(composed, words=found[0].words)]
    tree = composed.tree
    assert (tree["model"]["id"], tree["adapter"]) == (f"{home}/m", f"{home}/a")
    bench = tree["bench"]
    assert [bench[n] for n in ("path", "templates", "entities")] == [f"{home}/{n}" for n in "bte"]


def test_a_record_names_no_folder_of_the_machine(
    tmp_path_factory: pytest.TempPathFactory, cli: Callable[..., Any]
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    done = cli("eval", "-q", *SMALL, f"runs_dir={elsewhere}", "--json")
    assert done.code == 0, done.err
    stored = Path(json.loads(done.out)["path"])
    assert stored.is_file()
    for file in (stored, *Path("results").glob("*.json")):
        assert str(elsewhere.parent) not in file.read_text()
    both = cli("report", "results", str(elsewhere))
    assert both.code == 0, both.err


def test_a_card_names_no_folder_of_the_machine(
    tmp_path_factory: pytest.TempPathFactory, cli: Callable[..., Any]
) -> None:
    data = tmp_path_factory.mktemp("läufe, geheim") / "my chats.jsonl"
    turns = ["Tom is in Rome today.", "Good.", "Where is Tom?", "Rome."]
    roles = ["user", "assistant"] * 2
    messages = [{"role": r, "content": t} for r, t in zip(roles, turns, strict=True)]
    data.write_text("".join(json.dumps({"messages": messages}) + "\n" for _ in range(3)))
    done = cli("train", "-q", "--json", "training=chat", *SHORT, f"training.data.path='{data}'")
    assert done.code == 0, done.err
    adapter = Path(json.loads(done.out)["path"])
    card = (adapter / "README.md").read_text()
    assert "training.data.path='my chats.jsonl'" in card
    assert "| data | my chats.jsonl |" in card
    for file in adapter.iterdir():
        assert str(data.parent.parent).encode() not in file.read_bytes(), file
    moved = Path("here.jsonl")
    shutil.copy(data, moved)
    again = cli("train", "--json", "training=chat", *SHORT, f"training.data.path={moved}")
    assert json.loads(again.out)["path"] == str(adapter)
    assert "is complete already" in again.err


def test_a_card_says_what_was_typed() -> None:
    words = ["adapter='/a/b c.pt'", "bench.facts=[1,2]", "bench.path='/p/q'", "runs_dir=/r"]
    words += ["+method.index_file='~/z'", "+model.template_kwargs.tail='/no_think'"]
    assert public_words(words) == [
        *("adapter='b c.pt'", "bench.facts=[1,2]", "bench.path=q", "+method.index_file=z"),
        "+model.template_kwargs.tail='/no_think'",
    ]


def test_only_what_is_a_path_is_cut() -> None:
    """Text that looks like one is kept as it is, in records and on the way to a method."""
    words = ["+model.template_kwargs.tail='/no_think ~/x'", "adapter='/a/b'"]
    (composed,) = compose_each("eval", [words])
    for tree, adapter in ((composed.tree, "/a/b"), (recorded(composed.tree), "b")):
        assert tree["model"]["template_kwargs"] == {"tail": "/no_think ~/x"}
        assert tree["adapter"] == adapter
        assert all(map(os.path.isabs, composed.tree["model"]["adapters"].values()))
    assert recorded(composed.tree)["model"]["adapters"] == {n: n for n in options("writer")}


@given(parts=st.lists(st.sampled_from(["a", "b", "..", "."]), min_size=1, max_size=5))
def test_a_stored_path_is_relative_and_short(parts: list[str]) -> None:
    for path in (Path(*parts), Path("/x", *parts), Path.cwd() / Path(*parts)):
        stored = Path(without_machine(path))
        assert not stored.is_absolute() or len(stored.parts) <= 2
        if stored.exists() and Path.cwd() in path.absolute().parents and ".." not in parts:
            assert stored.resolve() == path.resolve()


@pytest.mark.parametrize("words", ["eval bench=recall", "train", "report"])
def test_a_working_folder_that_is_gone(words: str, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    run = f"rmdir {shlex.quote(str(gone))}; {sys.executable} -m deltamem_cli {words}"
    done = subprocess.run(
        ["sh", "-c", run],
        cwd=gone,
        capture_output=True,
        text=True,
        check=False,
        env=child_environment(),
    )
    assert done.returncode == 2, done.stderr
    assert (
        done.stderr.strip() == "error: the working folder no longer exists: change to another one"
    )
