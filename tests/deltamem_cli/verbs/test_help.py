"""Help is instant: nothing heavy is imported for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
VERBS = (
    "train",
    "eval",
    "report",
    "demo",
    "list",
    "show",
    "pretrain",
    "parity",
    "inspect",
    "chat",
    "push",
)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "importtime", "-m", "deltamem_cli", *words]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize("words", [[], ["eval"], ["train"]], ids=str)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    done = run(*words, "--help")
    assert done.returncode == 0
    imported = {
        line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()
    }
    assert not imported & set(HEAVY)


def test_all_verbs_are_listed() -> None:
    text = run("--help").stdout
    for verb in VERBS:
        assert f"\n  {verb} " in text


def test_an_unknown_verb_is_a_usage_error() -> None:
    done = run("trian")
    assert done.returncode == 2
    assert "Did you mean" in done.stderr
