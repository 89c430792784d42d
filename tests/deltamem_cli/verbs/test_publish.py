"""``deltamem publish``: complete runs, cut where they must be, with nothing of this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deltamem_evaluations.benchmarks.recall import Recall
from deltamem_evaluations.records.experiment import read_experiment
from deltamem_evaluations.records.publication import read_publication
from deltamem_evaluations.records.stored import read_run

SMALL = ("bench.dialogues=1", "bench.facts=[1,2]", "-q", "results_dir=null")


@pytest.fixture
def run(cli: Callable[..., Any]) -> Path:
    """A finished run."""
    done = cli("eval", *SMALL, "method=frozen", "context=none")
    assert done.code == 0, done.err
    (record,) = Path("runs").glob("*/record.json")
    return record.parent


def test_a_run_is_published_whole_where_its_texts_may_be(
    cli: Callable[..., Any], run: Path
) -> None:
    done = cli("publish", str(run), "out", "--by", "A. Person", "--json")
    assert done.code == 0, done.err
    (told,) = json.loads(done.out)["runs"]
    assert told["texts"] == "whole"
    published = Path("out") / run.name
    assert read_run(published) == read_run(run)
    said = read_publication(published)
    assert said is not None
    assert said.measured_by == "A. Person"
    # the command makes the same cell
    shutil.rmtree("runs")
    import shlex

    assert cli(*shlex.split(said.command)[1:], "-q", "results_dir=null").code == 0
    assert run.is_dir()
    packed = (published / "samples.jsonl.gz").read_bytes()
    assert cli("publish", "runs", "out", "--by", "A. Person").code == 2  # another run of that name
    assert (published / "samples.jsonl.gz").read_bytes() == packed


def test_texts_that_may_not_be_spread_are_left_out(
    cli: Callable[..., Any], run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recall, "texts_may_be_shared", False)
    assert cli("publish", "runs", "out", "--by", "A. Person").code == 0
    whole, cut = read_run(run), read_run(Path("out") / run.name)
    assert cut.record == whole.record
    for name, line in cut.lines.items():
        own = whole.lines[name]
        assert (line.question, line.asked, line.references, line.prediction) == (
            None,
            None,
            (),
            None,
        )
        assert line.metadata == {}
        assert line.prediction_sha256 == hashlib.sha256(own.answer.encode()).hexdigest()
        assert (line.scores, line.groups, line.new_tokens) == (
            own.scores,
            own.groups,
            own.new_tokens,
        )
    assert "withheld when the run was published" in cli("score", f"out/{run.name}").err


@pytest.mark.usefixtures("run")
def test_what_is_not_published(cli: Callable[..., Any], run: Path) -> None:
    done = cli("publish", "nowhere", "out", "--by", "A. Person")
    assert done.code == 2
    assert "no finished run in nowhere" in done.err
    assert "--by is empty" in cli("publish", "runs", "out", "--by", " ").err
    assert cli("eval", *SMALL, "method=frozen", "context=none", "limit=2").code == 0
    record = run / "record.json"
    content = json.loads(record.read_text(encoding="utf-8"))
    content["deviations"] = ["made in /home/someone/secret"]
    record.write_text(json.dumps(content), encoding="utf-8")
    done = cli("publish", str(run), "out", "--by", "A. Person")
    assert done.code == 2
    assert "reveals a path or a name of this machine" in done.err
    content |= {"deviations": [], "limited": True}
    record.write_text(json.dumps(content), encoding="utf-8")
    assert "only the first samples" in cli("publish", str(run), "out", "--by", "A. Person").err
    content |= {"limited": False, "complete": False}
    record.write_text(json.dumps(content), encoding="utf-8")
    assert "run the same command again" in cli("publish", str(run), "out", "--by", "A. Person").err
    assert not Path("out").exists()


def test_an_experiment_is_published_with_its_cells(cli: Callable[..., Any]) -> None:
    words = ("experiment=nocontext", "scale=smoke", "only=[frozen,frozen with history]", "-q")
    assert cli("ablate", *words, "results_dir=null").code == 0
    done = cli("publish", "runs/experiments/nocontext.json", "out", "--by", "A. Person")
    assert done.code == 0, done.err
    experiment = read_experiment(Path("out/experiments/nocontext.json"))
    assert {cell.cell for cell in experiment.cells} == {
        p.parent.name for p in Path("out").glob("*/record.json")
    }
    (cell,) = experiment.at("frozen with history", experiment.columns[0])
    assert cell.command == (
        "deltamem ablate experiment=nocontext scale=smoke 'only=[frozen with history/recall]'"
    )
