"""Help is instant: nothing heavy is imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT

from deltamem_cli.app import GROUPS, VERBS

HEAVY = (
    "torch",
    "transformers",
    "hydra",
    "omegaconf",
    "datasets",
    "pandas",
    "numpy",
    "rich",
    "nltk",
)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "deltamem_cli", *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("words", [[], *([verb] for verb in VERBS)], ids=str)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    done = run(*words, "--help")
    assert done.returncode == 0
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()
    }
    assert not imported & set(HEAVY)


def test_verbs_are_listed_in_order() -> None:
    lines = [line for line in run("--help").stdout.splitlines() if line.startswith("  ")]
    named = [line.split()[0] for line in lines]
    assert [name for name in named if name in VERBS] == list(VERBS)


def test_each_verb_is_a_file_and_each_file_a_verb() -> None:
    files = {path.stem for path in (ROOT / "deltamem_cli" / "verbs").glob("*.py")}
    assert files - {"__init__", "options"} == set(VERBS)
    for name, verb in VERBS.items():
        assert verb.__module__ == f"deltamem_cli.verbs.{name}"


def test_an_unknown_verb_is_a_usage_error() -> None:
    done = run("trian")
    assert done.returncode == 2
    assert "Did you mean" in done.stderr


def test_without_a_word_it_shows_groups_and_first_steps() -> None:
    shown = run()
    text = shown.stdout + shown.stderr.partition("Usage:")[2]
    for title in GROUPS:
        assert f"\n{title}:\n" in text
    assert "deltamem demo   " in text
    listed = text.partition("Run:")[2].partition("First steps")[0]
    assert "..." not in listed
    assert max(map(len, listed.splitlines())) <= 80
