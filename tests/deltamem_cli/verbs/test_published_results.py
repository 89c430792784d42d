"""Published results hold together, those of this repository first; each kind of damage is named."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from deltamem_cli.publishing.rendering import faults_of_folder, is_published, rendered
from deltamem_evaluations.benchmarks.gpqa import GPQA
from deltamem_evaluations.benchmarks.hotpotqa import HotpotQA
from deltamem_evaluations.benchmarks.ifeval import IFEval
from deltamem_evaluations.benchmarks.locomo import Locomo
from deltamem_evaluations.benchmarks.memory_agent_bench import MemoryAgentBench
from deltamem_evaluations.benchmarks.recall import Recall
from deltamem_evaluations.benchmarks.recall.dialogues import PLACES
from deltamem_evaluations.records.publication import read_publication, write_published
from deltamem_evaluations.records.stored import Run, read_run
from deltamem_evaluations.reporting.results_pages import read_folder

FOLDERS = [path for path in sorted((ROOT / "results").iterdir()) if path.is_dir()]
SEEDS = "seeds=[1,2]"


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.name))
def test_the_results_of_this_repository_hold_together(folder: Path) -> None:
    assert is_published(folder)
    found = read_folder(folder)
    assert list(faults_of_folder(found, rendered(found))) == []


def test_which_texts_may_be_shared() -> None:
    assert all(kind.texts_may_be_shared for kind in (HotpotQA, IFEval, Recall))
    assert not any(kind.texts_may_be_shared for kind in (GPQA, Locomo, MemoryAgentBench))


@pytest.fixture
def folder(cli: Callable[..., Any]) -> Path:
    """Two rows with two seeds each, rendered."""
    words = ("experiment=capacity", "scale=smoke", SEEDS, "results_dir=null", "-q")
    assert cli("ablate", *words, "only=[tsw-rank2,msw-rank4x2]").code == 0
    done = cli("publish", "runs/experiments/capacity.json", "out", "--by", "A. Person")
    assert done.code == 0, done.err
    done = cli("report", "out")
    assert done.code == 0, done.err
    return Path("out")


def faults(folder: Path) -> list[str]:
    found = read_folder(folder)
    return list(faults_of_folder(found, rendered(found)))


def test_a_folder_is_rendered_and_holds_together(cli: Callable[..., Any], folder: Path) -> None:
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert "A. Person" in text
    assert (
        f"deltamem ablate experiment=capacity scale=smoke '{SEEDS}' 'only=[tsw-rank2/recall]'"
        in text
    )
    for name in re.findall(r"\((figures/[\w.-]+)\)", text):
        assert (folder / name).is_file()
    assert f"v = {len(PLACES)} values" in text
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count('<svg role="img"') == len(list((folder / "figures").iterdir()))
    assert "src=" not in page  # one file, without a network
    assert cli("report", "out", "--check").code == 0
    (folder / "README.md").write_text(text + "\n", encoding="utf-8")
    done = cli("report", "out", "--check")
    assert done.code == 3
    assert "out/README.md is not what is rendered" in done.out
    assert cli("report", "runs", "--check").code == 2


def again(place: Path, run: Run, **fields: Any) -> None:
    """Publish a run that was tampered with, digests and all."""
    said = read_publication(place)
    assert said is not None
    record = replace(run.record, **fields)
    lines = list(run.lines.values())
    write_published(
        place,
        record,
        lines,
        measured_by=said.measured_by,
        command=said.command,
        texts=said.texts,
    )


def test_numbers_that_do_not_follow_are_named(folder: Path) -> None:
    place = next(path.parent for path in sorted(folder.glob("*/record.json")))
    run = read_run(place)
    metric = run.record.metrics["em"]
    better = {**run.record.metrics, "em": replace(metric, mean=1.0)}
    again(place, run, metrics=better)
    assert any("metric em does not follow" in fault for fault in faults(folder))
    again(place, run, fingerprint="0" * 16)
    assert any("is not that of these settings and data" in fault for fault in faults(folder))
    again(place, run, deviations=("from /home/someone/runs",))
    assert any("names a place on one machine" in fault for fault in faults(folder))
    name, line = next(iter(run.lines.items()))
    flipped = {**run.lines, name: replace(line, scores={"em": 1.0 - line.scores["em"]})}
    again(place, replace(run, lines=flipped))
    assert any(f"{name} is scored" in fault for fault in faults(folder))
    short = {key: one for key, one in run.lines.items() if key != name}
    again(place, replace(run, lines=short))
    assert any("answers, but its record counts" in fault for fault in faults(folder))
    again(place, run)
    assert faults(folder) == []


def test_files_that_were_changed_are_named(folder: Path) -> None:
    place = next(path.parent for path in sorted(folder.glob("*/record.json")))
    content = json.loads((place / "record.json").read_text(encoding="utf-8"))
    (place / "record.json").write_text(json.dumps({**content, "date": "2020-01-01"}))
    assert any("its record was changed" in fault for fault in faults(folder))
    (place / "record.json").write_text(json.dumps(content))
    lines = gzip.decompress((place / "samples.jsonl.gz").read_bytes())
    (place / "samples.jsonl.gz").write_bytes(gzip.compress(lines.replace(b"Today", b"today")))
    assert any("its lines were changed" in fault for fault in faults(folder))
    (place / "samples.jsonl.gz").write_bytes(b"no gzip")
    assert any("no samples in" in fault for fault in faults(folder))


def test_withheld_texts_are_checked_too(
    cli: Callable[..., Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Recall, "texts_may_be_shared", False)
    assert any("which may not be spread" in fault for fault in faults(folder))
    words = ("publish", "runs/experiments/capacity.json", "out", "--by", "A. Person")
    assert cli(*words).code == 0
    assert cli("report", "out").code == 0
    assert faults(folder) == []
