"""``deltamem ablate`` in miniature: every experiment runs, and then rests."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from child_environment import child_environment

from deltamem_cli.settings.groups import options

NEED_MODELS = {"llmlingua2", "memorybank"}
"""Rows that need a compressor and an encoder, which are downloads."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder of runs for all: experiments share cells, here as for a user."""
    return tmp_path_factory.mktemp("runs")


def words(runs: Path, *more: str) -> list[str]:
    return ["ablate", "scale=smoke", f"runs_dir={runs}", "results_dir=null", *more]


@pytest.mark.parametrize("experiment", options("experiment"))
def test_every_experiment_runs_in_miniature(
    experiment: str, cli: Callable[..., Any], runs: Path
) -> None:
    asked = words(runs, f"experiment={experiment}")
    done = cli(*asked, "--json")
    content = json.loads(done.out)
    failed = {row["row"] for row in content["rows"] if row["fault"]}
    assert failed <= NEED_MODELS
    assert done.code == (5 if failed else 0)
    for row in content["rows"]:
        if row["row"] not in failed:
            assert row["record"]["complete"]
            assert row["record"]["bench"] in ("recall", "throughput")
    before = {path: path.stat().st_mtime_ns for path in runs.glob("*/record.json")}
    again = cli(*asked)
    assert {path: path.stat().st_mtime_ns for path in runs.glob("*/record.json")} == before
    assert ("to run" in again.err) == bool(failed)
    assert all(row["row"] in again.out for row in content["rows"])
    assert (runs / "experiments" / f"{experiment}.md").read_text() == again.out


def test_a_record_that_went_missing_is_made_again(cli: Callable[..., Any], tmp_path: Path) -> None:
    asked = words(tmp_path, "experiment=table1", "only=[frozen]")
    assert cli(*asked).code == 0
    (record,) = tmp_path.glob("*/record.json")
    record.unlink()
    done = cli(*asked)
    assert done.code == 0
    assert "1 evaluation to run" in done.err
    assert record.is_file()


def test_a_dry_run_counts_and_runs_nothing(cli: Callable[..., Any], tmp_path: Path) -> None:
    asked = words(tmp_path, "experiment=heads", "only=[q,o]")
    content = json.loads(cli(*asked, "--dry-run", "--json").out)
    assert [row["kind"] for row in content["rows"]] == ["train", "train", "eval", "eval"]
    assert not list(tmp_path.glob("*"))
    for row in content["rows"]:
        assert row["done"] is False
        assert row["read_tokens"] > 0
        assert row["seconds"] > 0
    table = cli(*asked, "--dry-run").out
    assert "4 of 4 jobs to run, about" in table
    assert content["rows"][0]["key"] in table
    cli(*words(tmp_path, "experiment=heads", "only=[q]"), "-q")
    content = json.loads(cli(*asked, "--dry-run", "--json").out)
    assert [row["done"] for row in content["rows"]] == [True, False, True, False]
    assert "1 finished runs here" in content["basis"]


def test_what_has_ended_is_shown_without_running_more(
    cli: Callable[..., Any], tmp_path: Path
) -> None:
    asked = words(tmp_path, "experiment=heads")
    cli(*asked, "only=[q]", "-q")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/record.json")}
    done = cli(*asked, "--finished", "--json")
    assert done.code == 0
    scored = {row["row"]: row["record"] is not None for row in json.loads(done.out)["rows"]}
    assert [row for row, has_score in scored.items() if has_score] == ["q"]
    assert len(scored) == 6
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/record.json")} == before

    results = tmp_path / "results"
    stored = tmp_path / "experiments" / "heads.json"
    assert cli("publish", str(stored), str(results), "--by", "us").code == 0
    assert cli("report", str(results)).code == 0
    text = (results / "README.md").read_text(encoding="utf-8")
    assert text.count("not run [1]") == 5
    assert "[1] not yet; the command above runs what is missing" in text
    assert "only=" not in text.partition("to run all of it: ")[2].partition("\n")[0]


def test_what_would_run_and_what_has_are_asked_one_at_a_time(cli: Callable[..., Any]) -> None:
    done = cli("ablate", "experiment=heads", "scale=smoke", "--dry-run", "--finished")
    assert done.code == 2
    assert "give one of them" in done.err


def test_a_dry_run_says_what_data_is_missing(cli: Callable[..., Any], tmp_path: Path) -> None:
    done = cli("ablate", "experiment=table1", "train:training=recall", f"runs_dir={tmp_path}",
               "only=[frozen/locomo]", "eval:bench.path=nowhere.json", "--dry-run")  # fmt: skip
    assert done.code == 0
    assert "nowhere.json" in done.out
    assert "| ?" in done.out


@pytest.mark.parametrize("launcher", ["joblib"])
def test_another_launcher_runs_the_jobs_in_processes_of_their_own(
    launcher: str, tmp_path: Path
) -> None:
    asked = words(
        tmp_path, "experiment=table1", "only=[frozen,bm25_rag]", f"hydra/launcher={launcher}"
    )
    done = subprocess.run(
        [sys.executable, "-m", "deltamem_cli", *asked, "hydra.launcher.n_jobs=2"],
        capture_output=True,
        text=True,
        check=False,
        env=child_environment(),
    )
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("cells/eval-*.json"))) == 2
    assert "bm25_rag" in done.stdout
