"""The weight of a reference on its way: asked, stored, gone on with, averaged, compared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from toys import IDENTITY, Letters, Parrot, Said, made_with

from deltamem_base.faults import InvalidData
from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.run_key import IDLE, deciding_settings
from evaluations.comparison import compare_runs
from evaluations.metrics.likelihood import REFERENCE_NLL
from evaluations.metrics.resampling import Histories, bootstrap
from evaluations.metrics.statistics import ScoredQuestion, summarise
from evaluations.records.experiment import ExperimentCell, ExperimentResults
from evaluations.records.losses import unweighed_notes
from evaluations.records.making import make_record
from evaluations.records.record import Record, read_record
from evaluations.records.store import SampleStore, read_samples
from evaluations.records.stored import Run, StoredRecord
from evaluations.reporting import SampleReader, results_table
from evaluations.reporting.published.folder import PublishedFolder
from evaluations.reporting.published.tables import gains_table, scores_table
from evaluations.runner import Plan, run
from evaluations.sample import Decoding, Prompt, Sample


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
            identity=IDENTITY,
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


def test_it_has_a_column_of_its_own_beside_the_score(tmp_path: Path) -> None:
    """In every table of scores, and as a paired gain over the bare backbone; in nats."""
    cells, runs = [], []
    for row, more, family in (("bare", 0.0, "reference"), ("memory", -0.25, "delta-mem")):
        with SampleStore(tmp_path / row / row, key="k") as store:
            scored = run(Letters(), Scale(more), store, plan=Plan(likelihood=True, batch_size=4))
            path = tmp_path / row / row / "record.json"
            names = {**IDENTITY, "cell": row, "method": row, "path": str(path)}
            record = make_record(
                Letters(),
                scored,
                store.lines,
                expected=len(scored),
                identity=names,
                made=made_with({"trained_parameters": 0}, family=family),
            )
        runs.append(StoredRecord(record=record, file=path))
        cells.append(
            ExperimentCell(
                row=row,
                column="letters",
                seed=0,
                train=None,
                evaluate=(),
                cell=row,
                fault=None,
                command=f"make {row}",
            )
        )
    experiment = ExperimentResults(
        name="e",
        title="t",
        command="c",
        rows=("bare", "memory"),
        columns=("letters",),
        cells=tuple(cells),
    )
    folder = PublishedFolder(
        path=tmp_path,
        runs={one.record.cell: one for one in runs},
        experiments=[experiment],
        reader=SampleReader(),
    )
    loose, published = results_table(runs), scores_table(folder, experiment)
    assert list(loose.columns[-2:]) == ["letters em", "letters reference_nll"]
    assert list(published.columns[-2:]) == ["letters", "letters: reference_nll"]
    for table in (loose, published):
        assert any("nats a token" in str(note) for note in table.notes)
        bare, memory = (row[-1].text for row in table.rows)
        mean = sum(weight(sample.references[0]) for sample in Letters().samples()) / 15
        assert bare.startswith(f"{mean:.3f} ± ")
        assert memory.startswith(f"{mean - 0.25:.3f} ± ")
        assert bare.endswith(" (n=15, k=5)")
    gains = gains_table(folder, experiment)
    assert gains is not None
    assert gains.rows[0][-1].text.startswith("-0.250 [-0.250, -0.250]")
    without = replace(record, metrics={"em": record.metrics["em"]})
    alone = results_table([StoredRecord(record=without, file=path)])
    assert list(alone.columns[-1:]) == ["letters em"]
    assert not any("nats a token" in str(note) for note in alone.notes)


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
