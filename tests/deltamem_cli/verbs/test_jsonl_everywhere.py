"""``bench=jsonl``: one small file of a user's own questions through every verb that reads it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROWS: list[dict[str, Any]] = [
    {
        "id": "clara",
        "history_id": "a",
        "history": [
            {"role": "user", "content": "Today Clara is in Oslo."},
            {"role": "assistant", "content": "Noted."},
        ],
        "question": "Where is Clara today?",
        "reference": "Today Clara is in Oslo.",
        "groups": ["north"],
    },
    {
        "id": "boris",
        "history": [{"role": "user", "content": "Today Boris is in Cairo."}],
        "question": "Where is Boris today?",
        "reference": "Today Boris is in Cairo.",
    },
    {
        "id": "again",
        "history_id": "a",
        "question": "Where is Clara today?",
        "references": ["Oslo", "Oslo, Norway"],
    },
]
WORDS = ("bench=jsonl", "bench.path=questions.jsonl", "bench.metric=[em,contains]")
RIGHT = {"em": pytest.approx(2 / 3), "contains": 1.0}
"""Means of whole sentences for answers: of the last question, the reference is a single word."""
WRONG = {"em": 0.0, "contains": 0.0}
EXPERIMENT = r"""# Questions of our own: in view, unseen, and from the memory.
eval: ["model=${scale.model}"]
rows:
  in view: {eval: [method=frozen, context=visible]}
  unseen: {eval: [method=frozen, context=none]}
  memory: {eval: [writer=msw, 'adapter=\${model.adapters.msw}', context=none]}
columns:
  ours: [bench=jsonl, bench.path=questions.jsonl, "bench.metric=[em,contains]"]
"""


@pytest.fixture(autouse=True)
def _questions(in_folder: Path) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (in_folder / "questions.jsonl").write_text(lines, encoding="utf-8")


@pytest.fixture
def evaluated(cli: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Records of the frozen model: with the history in view, then without."""
    made = {}
    for context in ("visible", "none"):
        done = cli("eval", *WORDS, "method=frozen", f"context={context}", "--json")
        assert done.code == 0, done.err
        made[context] = json.loads(done.out)
    return made


@pytest.fixture
def experiment(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Words of an ``ablate`` whose yaml lies in a folder that ``DELTAMEM_PATH`` names."""
    path = in_folder / "lab" / "conf" / "experiment" / "ours.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(EXPERIMENT, encoding="utf-8")
    monkeypatch.setenv("DELTAMEM_PATH", "lab")
    # the folder is appended where modules are looked for
    monkeypatch.setattr(sys, "path", list(sys.path))
    return "ablate", "experiment=ours", "scale=smoke"


def means(record: dict[str, Any]) -> dict[str, float]:
    return {name: metric["mean"] for name, metric in record["metrics"].items()}


def test_show(cli: Callable[..., Any]) -> None:
    done = cli("show", *WORDS, "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    assert (content["samples"], content["histories"], content["groups"]) == (3, 2, {"north": 1})
    first = content["first"]
    assert first["id"] == "clara"
    assert ["Clara is in Oslo" in part["text"] for part in first["written"]] == [True, False]
    assert "Where is Clara today?" in first["shown"]


def test_audit(cli: Callable[..., Any]) -> None:
    done = cli("audit", *WORDS, "writer=msw", "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    assert content["samples"] == ["clara", "boris"]
    assert {check["passed"] for check in content["checks"]} == {True}
    assert {"reset", "tokens", "gold"} <= {check["name"] for check in content["checks"]}


def test_eval_and_score(evaluated: dict[str, dict[str, Any]], cli: Callable[..., Any]) -> None:
    for context, expected in (("visible", RIGHT), ("none", WRONG)):
        record = evaluated[context]
        assert (record["complete"], record["n"]) == (True, {"expected": 3, "scored": 3})
        assert means(record) == expected
        assert record["metrics"]["em"]["clusters"] == 2
        assert record["metrics"]["em"]["groups"]["north"]["n"] == 1
    for record in evaluated.values():
        scored = cli("score", record["cell"], WORDS[1], "--json")
        assert scored.code == 0, scored.err
        assert json.loads(scored.out)["metrics"] == record["metrics"]
    unnamed = cli("score", record["cell"])
    assert unnamed.code == 2
    assert "name it with bench.path=FILE" in unnamed.err


def test_compare(evaluated: dict[str, dict[str, Any]], cli: Callable[..., Any]) -> None:
    none, visible = evaluated["none"]["cell"], evaluated["visible"]["cell"]
    done = cli("compare", none, visible, "--flips", "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    whole = {row["metric"]: row for row in content["rows"] if row["group"] == "all"}
    assert {name: row["a"] for name, row in whole.items()} == WRONG
    assert {name: row["b"] for name, row in whole.items()} == RIGHT
    assert (whole["em"]["n"], whole["em"]["clusters"]) == (3, 2)
    assert {flip["id"]: flip["b"] for flip in content["flips"]} == {
        "clara": "Today Clara is in Oslo.",
        "boris": "Today Boris is in Cairo.",
    }


@pytest.mark.usefixtures("evaluated")
def test_report(cli: Callable[..., Any]) -> None:
    done = cli("report", "--json")
    assert done.code == 0, done.err
    content = json.loads(done.out)
    assert len(content["rows"]) == 2
    (scores,) = (table for table in content["tables"] if table["name"] == "scores")
    assert scores["columns"][-1] == "jsonl em"
    cells = {row[2]["text"]: row[-1] for row in scores["rows"]}
    assert {context: cell["value"] for context, cell in cells.items()} == {
        "none": 0.0,
        "visible": pytest.approx(200 / 3),
    }
    assert {(cell["n"], cell["histories"]) for cell in cells.values()} == {(3, 2)}


def test_an_experiment_of_ones_own(
    evaluated: dict[str, dict[str, Any]], experiment: tuple[str, ...], cli: Callable[..., Any]
) -> None:
    assert "ours" in cli("list", "experiments").out
    planned = json.loads(cli(*experiment, "--dry-run", "--json").out)["rows"]
    assert [(row["kind"], row["done"], row["missing"]) for row in planned] == [
        ("eval", False, None)
    ] * 3
    done = cli(*experiment, "--json")
    assert done.code == 0, done.err
    # the verb and the experiment name the same runs, so what was answered is not asked again
    assert done.err.count("is complete already") == len(evaluated)
    rows = json.loads(done.out)["rows"]
    assert [(row["row"], row["column"], row["fault"]) for row in rows] == [
        (name, "ours", None) for name in ("in view", "unseen", "memory")
    ]
    for row, expected in zip(rows, (RIGHT, WRONG, RIGHT), strict=True):
        assert means(row["record"]) == expected
        assert row["record"]["n"] == {"expected": 3, "scored": 3}
    again = cli(*experiment)
    assert (again.code, "to run" in again.err) == (0, False)
    table = [line.split("|")[1:3] for line in again.out.splitlines() if line.startswith("| ")]
    assert [(row.strip(), score.split()[0]) for row, score in table if "±" in score] == [
        ("in view", "66.7"),
        ("unseen", "0.0"),
        ("memory", "66.7"),
    ]


def test_an_experiment_whose_file_is_gone(
    experiment: tuple[str, ...], cli: Callable[..., Any]
) -> None:
    Path("questions.jsonl").unlink()
    done = cli(*experiment, "only=[unseen]", "--json")
    assert done.code == 5
    (row,) = json.loads(done.out)["rows"]
    assert row["record"] is None
    assert "questions.jsonl: there is no such file" in row["fault"]
