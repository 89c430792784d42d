"""``deltamem compare``: two real runs, with and without the history in view."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SMALL = ("bench.dialogues=2", "bench.facts=[1,2]", "method=frozen", "--json")


@pytest.fixture
def runs(cli: Callable[..., Any]) -> dict[str, Path]:
    """Folders of three runs on the same dialogues, the last on fewer."""
    made = {}
    for name, words in {
        "none": ("context=none",),
        "visible": ("context=visible",),
        "few": ("context=visible", "limit=3"),
    }.items():
        done = cli("eval", *SMALL, *words)
        assert done.code == 0, done.err
        made[name] = Path(json.loads(done.out)["path"]).parent
    return made


def test_memory_in_view_is_better(runs: dict[str, Path], cli: Callable[..., Any]) -> None:
    done = cli("compare", str(runs["none"]), str(runs["visible"]), "--flips", "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    whole = content["rows"][0]
    assert (whole["metric"], whole["group"]) == ("em", "all")
    assert whole["effect"] == pytest.approx(whole["b"] - whole["a"])
    assert whole["ci95"][0] > 0.5
    assert whole["p"] < 0.05
    assert whole["mcnemar"]["fixed"] == sum(flip["effect"] > 0 for flip in content["flips"])
    groups = [row["group"] for row in content["rows"] if row["metric"] == "em"]
    assert {"single_hop", "two_hop", "update"} <= set(groups)
    place = groups.index("single_hop")
    assert groups[place : place + 3] == ["single_hop", "single_hop/1", "single_hop/2"]
    text = cli("compare", str(runs["none"]), str(runs["visible"]), "--flips").out
    assert text.startswith("B is better than A by ")
    assert content["verdict"] == text.splitlines()[0]
    assert "B - A" in text
    assert "fixed " in text


def test_runs_have_short_names(runs: dict[str, Path], cli: Callable[..., Any]) -> None:
    listed = {
        row["alias"]: row["name"] for row in json.loads(cli("list", "runs", "--json").out)["rows"]
    }
    assert set(listed) == {"eval-1", "eval-2", "eval-3"}
    number = {name: alias for alias, name in listed.items()}
    short = cli("compare", number[runs["none"].name], number[runs["visible"].name])
    assert short.code == 0, short.err
    assert short.out == cli("compare", runs["none"].name, str(runs["visible"])).out
    assert cli("score", "@last", "--json").code == 0
    assert json.loads(cli("score", "eval-3", "--json").out)["cell"] == listed["eval-3"]
    done = cli("compare", "eval-1", "eval-9")
    assert done.code == 4
    assert "there is no run eval-9 in runs" in done.err


def test_a_run_equals_itself(runs: dict[str, Path], cli: Callable[..., Any]) -> None:
    done = cli("compare", str(runs["none"]), str(runs["none"]), "--json")
    whole = json.loads(done.out)["rows"][0]
    assert (whole["effect"], whole["p"]) == (0.0, 1.0)


def test_what_differs_is_refused_unless_forced(
    runs: dict[str, Path], cli: Callable[..., Any]
) -> None:
    few, visible = str(runs["few"]), str(runs["visible"])
    done = cli("compare", few, visible)
    assert done.code == 2
    assert "samples were answered in only one" in done.err
    done = cli("compare", few, visible, "--force")
    assert done.code == 0
    assert "note: " in done.err
    other = cli("eval", *SMALL, "bench.seed=1")
    done = cli("compare", visible, json.loads(other.out)["path"])
    assert done.code == 2
    assert "different protocols" in done.err


def test_what_cannot_be_read(runs: dict[str, Path], cli: Callable[..., Any]) -> None:
    assert cli("compare", "nowhere", str(runs["none"])).code == 4
    broken = Path("broken")
    shutil.copytree(runs["none"], broken)
    (broken / "record.json").write_text("{", encoding="utf-8")
    done = cli("compare", str(broken), str(runs["none"]))
    assert done.code == 2
    assert "this is not JSON" in done.err
    assert "run the same `deltamem eval` again" in done.err


def test_flips_of_a_confidential_benchmark_say_nothing(
    runs: dict[str, Path], cli: Callable[..., Any]
) -> None:
    for folder in (runs["none"], runs["visible"]):
        path = folder / "samples.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        hidden = [{**row, "question": None, "metadata": {}} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in hidden))
    done = cli("compare", str(runs["none"]), str(runs["visible"]), "--flips", "--json")
    flips = json.loads(done.out)["flips"]
    assert flips
    for flip in flips:
        assert flip["question"] is None
        assert flip["references"] == []
        assert flip["a"] == flip["b"] == "[withheld]"
