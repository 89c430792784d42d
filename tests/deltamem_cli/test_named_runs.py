"""Runs by their names, by numbers that stay, and by ``@last``."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from deltamem_base.faults import Unavailable
from deltamem_cli.named_runs import find_run, runs_in


def evaluation(name: str, date: str | None) -> Path:
    folder = Path(name)
    folder.mkdir(parents=True)
    if date is not None:
        (folder / "record.json").write_text(json.dumps({"date": date}), encoding="utf-8")
    return folder


@pytest.fixture
def runs(in_folder: Path) -> Path:
    evaluation("runs/locomo__z__1", "2026-01-01T00:00:00+00:00")
    evaluation("runs/locomo__a__2", "2026-01-02T00:00:00+00:00")
    evaluation("runs/locomo__m__3", None)
    (evaluation("runs/train__tiny__4", None) / "adapter").mkdir()
    Path("runs/train__tiny__4/adapter/README.md").write_text("", encoding="utf-8")
    return Path("runs")


def test_evaluations_are_numbered_by_age_and_keep_their_numbers(runs: Path) -> None:
    first = {run.path.name: (run.alias, run.finished) for run in runs_in(runs)}
    assert first == {
        "locomo__a__2": ("eval-2", True),
        "locomo__m__3": (None, False),
        "locomo__z__1": ("eval-1", True),
        "train__tiny__4": (None, True),
    }
    evaluation("runs/gpqa__b__5", "2026-01-03T00:00:00+00:00")
    evaluation("runs/gpqa__c__6", None).joinpath("record.json").write_text("{", encoding="utf-8")
    then = {run.path.name: run.alias for run in runs_in(runs)}
    assert then["gpqa__b__5"] == "eval-3"
    assert then["gpqa__c__6"] is None
    assert {name: then[name] for name in first} == {
        name: alias for name, (alias, _) in first.items()
    }


def test_of_one_second_the_file_written_last_is_the_newest(runs: Path) -> None:
    for number, name in enumerate(("z__5", "a__6", "k__7")):
        record = evaluation(f"runs/gpqa__{name}", "2026-01-03T00:00:00+00:00") / "record.json"
        os.utime(record, ns=(number, number))
    aliases = {run.path.name: run.alias for run in runs_in(runs)}
    assert [aliases[f"gpqa__{name}"] for name in ("z__5", "a__6", "k__7")] == [
        "eval-3",
        "eval-4",
        "eval-5",
    ]
    assert find_run(Path("@last")) == runs / "gpqa__k__7"


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ("eval-1", "runs/locomo__z__1"),
        ("@last", "runs/locomo__a__2"),
        ("runs/@last", "runs/locomo__a__2"),
        ("locomo__m__3", "runs/locomo__m__3"),
        ("runs/locomo__m__3", "runs/locomo__m__3"),
        ("other/eval-1", "other/recall__x__1"),
        ("state.dmstate", "state.dmstate"),
        ("nowhere", "nowhere"),
    ],
)
def test_a_run_is_found_by_any_of_its_names(named: str, found: str, runs: Path) -> None:
    evaluation("other/recall__x__1", "2026-01-01T00:00:00+00:00")
    assert find_run(Path(named)) == Path(found)


def test_a_folder_of_that_name_comes_first(runs: Path) -> None:
    evaluation("eval-1", None)
    assert find_run(Path("eval-1")) == Path("eval-1")


@pytest.mark.parametrize("named", ["eval-3", "nowhere/@last", "nowhere/eval-1"])
def test_a_short_name_that_no_run_has_is_refused(named: str, runs: Path) -> None:
    with pytest.raises(
        Unavailable, match=f"no run {Path(named).name} in {Path(named).parent.name}"
    ):
        find_run(Path(named))
