"""Damaged runs, and command lines at random, through the verbs that take them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from mutations import NONSENSE, damaged_json, damaged_lines
from outcomes import EXITS, ROUNDS, check_nothing_ran

RUN = ("bench.dialogues=1", "bench.facts=[1]", "bench.kinds=[single_hop]", "method=frozen")
DAMAGE = {"record.json": damaged_json, "samples.jsonl": damaged_lines}
VERBS = (
    ("report", "runs", "--format", "json"),
    ("report", "runs", "--format", "html"),
    ("compare", "good", "runs/work", "--flips"),
    ("score", "runs/work", "results_dir=results"),
    ("inspect", "runs/work"),
    ("list", "runs"),
)
FEW, LONG_SHARE = 10, 5
"""Rounds of the default run, and of how many of the long run's each is one: a verb takes longer."""
ASKING = (("show",), ("doctor",), ("eval", "--cfg", "job"), ("train", "--cfg", "job"), ("list",))
"""Verbs that compose, check and answer without a weight."""
MORE = ("--json", "-q", "--limit", "-m", "--", "-", "", "=", "+", "~model", "a=b=c", "[", "'", "\\")

Cli = Callable[..., Any]


def check(done: Any) -> None:
    """A code of the README; what is not 0 has said why, in a line of its own."""
    assert done.code in EXITS, done
    assert "Traceback" not in done.err
    assert "\x1b" not in done.out + done.err
    if done.code != 0:
        assert done.err.strip(), done
        assert len(done.err.strip().splitlines()[-1]) < 3000


@pytest.fixture
def run(cli: Cli, in_folder: Path) -> Path:
    """A run with its samples, and a copy to damage."""
    assert cli("eval", *RUN, "-q", "context=none").code == 0
    (made,) = Path("runs").iterdir()
    made.rename("good")
    shutil.copytree("good", "runs/work")
    return in_folder


def fuzz_runs(cli: Cli, seeds: range) -> None:
    for seed in seeds:
        rng = Random(f"run {seed}")
        file = rng.choice(sorted(DAMAGE))
        shutil.rmtree("runs/work")
        shutil.copytree("good", "runs/work")
        content = DAMAGE[file]((Path("good") / file).read_bytes(), rng)
        (Path("runs/work") / file).write_bytes(content)
        words = rng.choice(VERBS)
        try:
            check(cli(*words))
            check_nothing_ran(Path("runs/work"))
            json.loads(Path("good/record.json").read_text())
        except Exception as fault:
            raise AssertionError(f"seed {seed}, {file}, {words}: {fault!r}") from fault


def fuzz_words(cli: Cli, seeds: range) -> None:
    from deltamem_cli.settings.compose import compose_each
    from deltamem_cli.settings.composed import leaves
    from deltamem_cli.settings.groups import groups, options

    (config,) = compose_each("eval", [[]])
    keys = sorted(key for key, _ in leaves(config.tree))
    values = [str(value) for value in NONSENSE if len(str(value)) < 100 and value != "\ud800"]
    for seed in seeds:
        rng = Random(f"words {seed}")
        words = list(rng.choice(ASKING))
        for _ in range(rng.randrange(4)):
            group = rng.choice(groups())
            named = rng.choice([*options(group), *values])
            key = rng.choice(keys)
            words.append(
                rng.choice([f"{group}={named}", f"{key}={rng.choice(values)}", rng.choice(MORE)])
            )
        try:
            check(cli(*words))
            check_nothing_ran(Path())
        except Exception as fault:
            raise AssertionError(f"seed {seed}, {words}: {fault!r}") from fault


@pytest.mark.usefixtures("run")
def test_a_few_runs(cli: Cli) -> None:
    fuzz_runs(cli, range(FEW))


def test_a_few_command_lines(cli: Cli) -> None:
    fuzz_words(cli, range(FEW))


@pytest.mark.fuzz_long
@pytest.mark.usefixtures("run")
def test_many_runs(cli: Cli) -> None:
    fuzz_runs(cli, range(FEW, FEW + ROUNDS // LONG_SHARE))


@pytest.mark.fuzz_long
def test_many_command_lines(cli: Cli) -> None:
    fuzz_words(cli, range(FEW, FEW + ROUNDS // LONG_SHARE))
