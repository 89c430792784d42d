"""The weight of a reference on its way: asked, stored, gone on with, averaged, compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from toys import IDENTITY, PATH, Letters, Parrot, Said, made_with

from deltamem_base.faults import InvalidData
from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.run_key import IDLE, deciding_settings
from deltamem_evaluations.comparison import compare_runs
from deltamem_evaluations.metrics.likelihood import REFERENCE_NLL
from deltamem_evaluations.metrics.resampling import Histories, bootstrap
from deltamem_evaluations.metrics.statistics import ScoredQuestion, summarise
from deltamem_evaluations.records.experiment import ExperimentCell, ExperimentResults
from deltamem_evaluations.records.losses import unweighed_notes
from deltamem_evaluations.records.making import make_record
from deltamem_evaluations.records.record import Record, read_record
from deltamem_evaluations.records.store import SampleStore, read_samples
from deltamem_evaluations.records.stored import Run, StoredRecord
from deltamem_evaluations.reporting import SampleReader, Table, attribute, results_table
from deltamem_evaluations.reporting.attribution import attribution_table, outlined_command
from deltamem_evaluations.reporting.results_pages.folder import PublishedFolder
from deltamem_evaluations.reporting.results_pages.tables import gains_table, scores_table
from deltamem_evaluations.runner import Plan, run
from deltamem_evaluations.sample import Decoding, Prompt, Sample


@dataclass(frozen=True)
class Heavy(Said):
    nats: float | None = None


class Scale(Parrot):
    """Weighs a reference by its digits, and a little more each history; asked twice, it is told."""

    def __init__(self, more: float = 0.0) -> None:
        super().__init__()
        self.more, self.given = more, [""]

    def answer(self, prompts: Sequence[Prompt], decoding: Decoding, **how: Any) -> Any:
        self.given += [prompt.given for prompt in prompts if prompt.given is not None]
        if prompts[0].given is None:
            return super().answer(prompts, decoding, **how)
        return [Heavy(text=p.given, nats=weight(p.given) + self.more) for p in prompts]


def weight(reference: str | None) -> float:
    """3.75 of ``v2.3``: above 1, and exact in binary."""
    history, _, question = (reference or "v0.0").removeprefix("v").partition(".")
    return 1 + int(history) + int(question) / 4


def evaluate(folder: Path, method: Any, *, limit: int | None = None, on: bool = True) -> Record:
    benchmark = Letters()
    with SampleStore(folder, key="k") as store:
        scored = run(benchmark, method, store, plan=Plan(likelihood=on, limit=limit, batch_size=2))
        return make_record(
            benchmark,
            scored,
            store.lines,
            expected=len(scored),
            cell=IDENTITY,
            path=PATH,
            made=made_with({"trained_parameters": 0, "state_bytes": 0}),
        )


def test_a_reference_is_weighed_beside_each_answer(tmp_path: Path) -> None:
    method = Scale()
    record = evaluate(tmp_path, method)
    lines = read_samples(tmp_path)
    assert {line.id: line.reference_nll for line in lines} == {
        sample.id: weight(sample.references[0]) for sample in Letters().samples()
    }
    assert all(line.scores == {"em": 1.0} for line in lines)
    metric = record.metrics[REFERENCE_NLL]
    weights = [weight(line.references[0]) for line in lines]
    assert metric.mean == pytest.approx(sum(weights) / 15)
    assert (metric.n, metric.clusters, set(metric.groups)) == (15, 5, {"q0", "q1", "q2"})
    wanted = bootstrap([Histories.of(weights, [line.history_id for line in lines])], resamples=1999)
    assert metric.ci95 == pytest.approx((wanted.mean - wanted.half, wanted.mean + wanted.half))
    assert metric.ci95[1] > 1


def test_nothing_is_weighed_unless_it_is_asked_for(tmp_path: Path) -> None:
    method = Scale()
    record = evaluate(tmp_path, method, on=False)
    assert set(record.metrics) == {"em"}
    assert method.given == [""]
    assert all(line.reference_nll is None for line in read_samples(tmp_path))


def test_a_method_that_can_weigh_nothing_is_not_measured(tmp_path: Path) -> None:
    record = evaluate(tmp_path, Parrot())
    assert set(record.metrics) == {"em"}
    assert list(unweighed_notes(read_samples(tmp_path))) == [
        "the log-probability of the references is not measured: the method cannot tell it"
    ]


def test_what_is_not_weighed_is_said(tmp_path: Path) -> None:
    evaluate(tmp_path, Scale())
    lines = list(read_samples(tmp_path))
    assert list(unweighed_notes(lines)) == []
    some = [replace(lines[0], reference_nll=None), *lines[1:]]
    assert "not measured for 1 of 15 questions" in next(unweighed_notes(some))
    none = [replace(line, references=()) for line in lines]
    assert "there is no reference" in next(unweighed_notes(none))


def test_a_run_that_was_killed_weighs_what_is_left(tmp_path: Path) -> None:
    whole = evaluate(tmp_path / "whole", Scale())
    evaluate(tmp_path / "part", Scale(), limit=7)
    rest = Scale()
    resumed = evaluate(tmp_path / "part", rest)
    assert len(rest.given) == 1 + 15 - 7
    assert resumed.metrics == whole.metrics


def test_one_question_leaves_no_interval(tmp_path: Path) -> None:
    assert set(evaluate(tmp_path, Scale(), limit=1).metrics) == {"em"}
    with pytest.raises(ValueError, match="no interval"):
        summarise([ScoredQuestion(score=2.0, history="a")], bounded=False)


def test_runs_are_compared_by_it(tmp_path: Path) -> None:
    runs = []
    for name, more in (("a", 0.0), ("b", 0.25)):
        record = evaluate(tmp_path / name, Scale(more))
        lines = read_samples(tmp_path / name)
        runs.append(Run(record=record, lines={line.id: line for line in lines}))
    rows = {(row.metric, row.group): row.paired for row in compare_runs(*runs).lines}
    whole = rows[REFERENCE_NLL, "all"]
    assert whole.effect == pytest.approx(0.25)
    assert whole.n == 15
    assert (REFERENCE_NLL, "q1") in rows


def weighed_run(folder: Path, cell: str, more: float, control: str = "none") -> StoredRecord:
    """A run on disk of the bare backbone, or of a memory, whose references cost so much more."""
    path = folder / "runs" / cell / "record.json"
    with SampleStore(path.parent, key="k") as store:
        scored = run(Letters(), Scale(more), store, plan=Plan(likelihood=True, batch_size=4))
        made = {} if cell == "bare" else {"adapter_sha": "a" * 64}
        record = make_record(
            Letters(),
            scored,
            store.lines,
            expected=len(scored),
            cell=replace(IDENTITY, cell=cell, control=control),
            path=str(path),
            made=made_with(made, family="reference" if cell == "bare" else "delta-mem"),
        )
    return StoredRecord(record=record, file=path)


@pytest.fixture
def three_runs(tmp_path: Path) -> list[StoredRecord]:
    """The bare backbone, a memory, and the same with another history's state."""
    parts = (("bare", 0.0, "none"), ("memory", -0.25, "none"), ("foreign", 0.5, "foreign"))
    return [weighed_run(tmp_path, *part) for part in parts]


def test_it_has_a_column_of_its_own_beside_the_score(three_runs: list[StoredRecord]) -> None:
    table = results_table(three_runs[1:])
    assert list(table.columns[-2:]) == ["letters em", "letters reference_nll"]
    mean = sum(weight(sample.references[0]) for sample in Letters().samples()) / 15
    shown = {row[-1] for row in texts(table)}
    assert {text.partition(" ")[0] for text in shown} == {f"{mean - 0.25:.3f}", f"{mean + 0.5:.3f}"}
    assert all(text.endswith(" (n=15, k=5)") for text in shown)
    assert any("lower is better" in str(note) for note in table.notes)
    record = replace(three_runs[0].record, metrics={"em": three_runs[0].record.metrics["em"]})
    without = results_table([replace(three_runs[0], record=record)])
    assert list(without.columns[-1:]) == ["letters em"]
    assert not any("lower is better" in str(note) for note in without.notes)


def test_a_published_experiment_shows_it_and_the_paired_gain(
    three_runs: list[StoredRecord],
) -> None:
    names = [one.record.cell for one in three_runs[:2]]
    experiment = ExperimentResults(
        name="e",
        title="t",
        command="c",
        rows=tuple(names),
        columns=("letters",),
        cells=tuple(
            ExperimentCell(
                row=name,
                column="letters",
                seed=0,
                train=None,
                evaluate=(),
                cell=name,
                fault=None,
                command="c",
            )
            for name in names
        ),
    )
    folder = PublishedFolder(
        path=three_runs[0].file.parent,
        runs={one.record.cell: one for one in three_runs[:2]},
        experiments=[experiment],
        reader=SampleReader(),
    )
    table, gains = scores_table(folder, experiment), gains_table(folder, experiment)
    assert list(table.columns) == ["row", "letters", "letters: reference_nll"]
    assert " ± " in texts(table)[1][-1]
    assert gains is not None
    assert texts(gains) == [["memory", "+0.0 [+0.0, +0.0]", "-0.250 [-0.250, -0.250]"]]


def test_a_gain_in_it_is_taken_apart(three_runs: list[StoredRecord]) -> None:
    parts = attribute(three_runs, reader=SampleReader())
    table = attribution_table(parts, stored=three_runs, command=outlined_command)
    rows = [row for row in texts(table) if row[3] == "letters reference_nll"]
    numbers = [[text.partition(" ")[0] for text in row[5:]] for row in rows]
    assert [row[4] for row in rows] == ["foreign", "zero"]
    assert numbers == [["-0.250", "+0.500", "-0.750", "15", "5"], ["-0.250", "–", "–", "15", "5"]]


def texts(table: Table) -> list[list[str]]:
    return [[cell if isinstance(cell, str) else cell.text for cell in row] for row in table.rows]


def test_only_this_mean_of_a_record_may_exceed_one(tmp_path: Path) -> None:
    record = evaluate(tmp_path / "run", Scale())
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record.to_json()))
    assert read_record(path).metrics == record.metrics
    renamed = {**record.to_json(), "metrics": {"em": record.to_json()["metrics"][REFERENCE_NLL]}}
    path.write_text(json.dumps(renamed))
    with pytest.raises(InvalidData, match=r"em reaches .*; it must be at most 1"):
        read_record(path)


@pytest.mark.parametrize(
    ("setting", "idle"), [item for item in IDLE.items() if not item[0].startswith("training.")]
)
def test_a_setting_that_does_nothing_is_in_no_key(setting: str, idle: Any) -> None:
    """Runs from before there was such a setting are gone on with."""
    usual, other = compose_each(
        "eval", [["bench=locomo"], ["bench=locomo", f"{setting}={7 if idle is None else True}"]]
    )
    assert setting not in deciding_settings(usual.tree, "eval")
    assert setting in deciding_settings(other.tree, "eval")


def test_what_stands_for_the_references() -> None:
    sample = Sample(id="1", history_id="1", question="?", asked="?", references=("Oslo", "x"))
    assert sample.weighed == "Oslo"
    assert replace(sample, spoken="In Oslo.").weighed == "In Oslo."
    assert replace(sample, references=()).weighed is None
    assert "spoken" not in sample.metadata
