"""Verdicts: what is not the paper's run is never a match, and noise is never taken for one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toys import Letters, Parrot, made_with

from deltamem_base.faults import InvalidData
from deltamem_base.whole_files import write_json
from deltamem_evaluations.benchmark import Data
from deltamem_evaluations.metrics.paired import compare_scores
from deltamem_evaluations.paper.numbers import Column
from deltamem_evaluations.paper.verdict import (
    EQUAL,
    LONGEST,
    Expected,
    Measured,
    Verdict,
    average,
    decide,
    faults_of,
    measure,
)
from deltamem_evaluations.records.making import make_record
from deltamem_evaluations.records.record import CellIdentity
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.records.stored import read_run
from deltamem_evaluations.runner import Plan, run
from deltamem_evaluations.sample import Sample

HISTORIES, QUESTIONS = 10, 154
"""As many as LoCoMo has in categories 1 to 4: 1,540 questions about ten conversations."""
FULL = HISTORIES * QUESTIONS
MEAN, SPREAD = 0.465, 0.02
"""Of the simulated scores: a printed value of 46.5, conversations two points apart."""
COLUMN = Column(name="locomo", title="LoCoMo", bench="letters", metric="em", n=FULL)
PRINTED, BACKBONE = 46.5, 40.8
OURS = "a" * 64
"""sha of the weights that the plan trained."""


class Marked(Letters):
    """Ten histories whose scores were drawn beforehand."""

    primary_metric: ClassVar[str] = "em"

    def __init__(self, histories: int = HISTORIES, *, other_data: bool = False) -> None:
        super().__init__(histories, QUESTIONS)
        rng = np.random.default_rng(7)
        means = MEAN + SPREAD * rng.standard_normal(HISTORIES)
        self.drawn = {
            f"{h}-{q}": float(np.clip(means[h] + 0.3 * rng.standard_normal(), 0, 1))
            for h in range(HISTORIES)
            for q in range(QUESTIONS)
        }
        # drawn towards 0 or 1 until the mean is exact, so that scores stay between them
        mean = sum(self.drawn.values()) / FULL
        end, share = (0.0, MEAN / mean) if mean > MEAN else (1.0, (1 - MEAN) / (1 - mean))
        self.drawn = {name: end + share * (score - end) for name, score in self.drawn.items()}
        self.other_data = other_data

    def data(self) -> Data:
        return Data(source="letters", deviations=("not the released file",) * self.other_data)

    def score_answer(self, sample: Sample, answer: str) -> dict[str, float]:
        return {"em": self.drawn[sample.id]}


@dataclass(frozen=True)
class Made:
    """A run on the disk."""

    folder: Path

    def change(self, **fields: Any) -> Made:
        path = self.folder / "record.json"
        write_json(path, {**json.loads(path.read_text()), **fields})
        return self

    def change_lines(self, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> Made:
        path = self.folder / "samples.jsonl"
        rows = change([json.loads(line) for line in path.read_text().splitlines()])
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return self


def make(folder: Path, benchmark: Marked, *, limit: int | None = None, sha: str = OURS) -> Made:
    expected = FULL if limit is None else limit
    with SampleStore(folder, key="k") as store:
        scored = run(benchmark, Parrot(), store, plan=Plan(limit=limit, batch_size=64))
        cell = CellIdentity(
            cell="c",
            key="k",
            model="qwen3-4b",
            method="delta_mem",
            writer="tsw",
            bench="letters",
            protocol="paper",
            context="visible",
            control="none",
            seed=0,
            config={"seed": 0, "adapter": "somewhere"},
            limited=limit is not None,
        )
        record = make_record(
            benchmark,
            scored,
            store.lines,
            expected=min(expected, len(benchmark.samples())),
            cell=cell,
            path=str(folder / "record.json"),
            made=made_with({"adapter_sha": sha, "heads": "qo", "layers": "all"}),
        )
    write_json(folder / "record.json", record.to_json())
    return Made(folder)


EXPECTED = Expected(
    settings={"model": "qwen3-4b", "method": "delta_mem", "writer": "tsw", "context": "natural"},
    weights_sha=OURS,
    config={"seed": 0, "adapter": None},
)


def verdict(made: Made, expected: Expected = EXPECTED, *, printed: float = PRINTED) -> Verdict:
    whole = read_run(made.folder)
    if faults_of(whole, COLUMN, expected):
        return Verdict.INVALID
    return decide(measure(whole, COLUMN), printed, reference=BACKBONE).verdict


def test_the_papers_own_number_is_within_noise_and_another_differs(tmp_path: Path) -> None:
    made = make(tmp_path, Marked())
    assert faults_of(read_run(made.folder), COLUMN, EXPECTED) == []
    ours = measure(read_run(made.folder), COLUMN)
    assert ours.mean == pytest.approx(PRINTED, abs=1e-6)
    assert EQUAL < ours.half < PRINTED - BACKBONE
    assert verdict(made) is Verdict.WITHIN_NOISE
    assert verdict(made, printed=PRINTED + 1.1 * ours.half) is Verdict.DIFFERS
    assert verdict(made, printed=PRINTED - 1.1 * ours.half) is Verdict.DIFFERS


def test_the_interval_is_the_studentised_one_over_histories(tmp_path: Path) -> None:
    benchmark = Marked()
    ours = measure(read_run(make(tmp_path, benchmark).folder), COLUMN)
    scores = [benchmark.drawn[s.id] for s in benchmark.samples()]
    clusters = [s.history_id for s in benchmark.samples()]
    paired = compare_scores([PRINTED / 100] * FULL, scores, clusters=clusters)
    assert ours.half == pytest.approx(100 * (paired.ci95[1] - paired.effect))


def test_a_third_of_the_conversations_is_never_a_match(tmp_path: Path) -> None:
    third = make(tmp_path / "data", Marked(3))
    faults = faults_of(read_run(third.folder), COLUMN, EXPECTED)
    assert faults == [f"462 of the benchmark's {FULL} samples"]
    limited = make(tmp_path / "limit", Marked(), limit=462)
    faults = faults_of(read_run(limited.folder), COLUMN, EXPECTED)
    assert faults == ["a limited run", f"462 of the benchmark's {FULL} samples"]
    hidden = limited.change(limited=False, complete=True)
    assert verdict(third) is verdict(hidden) is Verdict.INVALID


Rows = list[dict[str, Any]]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: [{**rows[0], "scores": {"em": math.nan}}, *rows[1:]], "em is NaN"),
        (lambda rows: [{**rows[0], "scores": {"em": 100.0}}, *rows[1:]], "em is 100.0; it must be"),
        (lambda rows: rows[:-100], "1440 answers, but its record counts 1540"),
        (lambda rows: [*rows, rows[0]], "line 1541: an earlier line already answers 0-0"),
        (lambda rows: [*rows[:-1], {**rows[-1], "key": "x"}], "line 1540 belongs to another"),
        (lambda rows: [*rows[:-1], {**rows[-1], "references": None}], "references is null"),
        (lambda rows: [*rows[:-1], {**rows[-1], "more": 1}], "the key more is unknown"),
    ],
    ids=["nan", "range", "missing", "twice", "foreign", "type", "unknown"],
)
def test_samples_that_are_not_the_runs_own_are_refused(
    change: Callable[[Rows], Rows], sentence: str, tmp_path: Path
) -> None:
    made = make(tmp_path, Marked()).change_lines(change)
    with pytest.raises(InvalidData, match=sentence):
        read_run(made.folder)


def test_a_score_that_is_no_share_is_not_stored(tmp_path: Path) -> None:
    benchmark = Marked()
    benchmark.drawn["0-3"] = math.nan
    with pytest.raises(InvalidData, match="the answer to 0-3: scores.em is NaN"):
        make(tmp_path, benchmark)


def test_a_mean_that_was_touched_is_missed(tmp_path: Path) -> None:
    made = make(tmp_path, Marked())
    em = asdict(read_run(made.folder).record.metrics["em"])
    made.change(metrics={"em": {**em, "mean": 0.4653}})
    faults = faults_of(read_run(made.folder), COLUMN, EXPECTED)
    assert faults == ["the record's mean is not that of its samples"]


def test_weights_of_another_training_are_never_a_match(tmp_path: Path) -> None:
    made = make(tmp_path, Marked(), sha="b" * 64)
    (fault,) = faults_of(read_run(made.folder), COLUMN, EXPECTED)
    assert fault == "the weights are bbbbbbbbbbbb, and the training made aaaaaaaaaaaa"
    nameless = replace(EXPECTED, weights_sha="c" * 64)
    assert verdict(made, nameless) is Verdict.INVALID


def test_other_data_is_never_a_match(tmp_path: Path) -> None:
    made = make(tmp_path, Marked(other_data=True))
    faults = faults_of(read_run(made.folder), COLUMN, EXPECTED)
    assert faults == ["other data: not the released file"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"model": "tiny"}, "model=tiny, and qwen3-4b is wanted"),
        ({"method": "frozen"}, "method=frozen, and delta_mem is wanted"),
        ({"writer": "msw"}, "writer=msw, and tsw is wanted"),
        ({"protocol": "benchmark"}, "protocol=benchmark, and paper is wanted"),
        ({"control": "foreign"}, "control=foreign"),
        ({"bench": "other"}, "bench=other, and letters is wanted"),
        ({"config": {"seed": 1}}, "seed is not as planned"),
        ({"config": {"seed": 0, "more": 1}}, "more is not as planned"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_other_settings_are_never_a_match(
    change: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    made = make(tmp_path, Marked()).change(**change)
    assert faults_of(read_run(made.folder), COLUMN, EXPECTED) == [fault]


def test_what_a_table_states_is_checked_and_what_it_leaves_open_is_not(tmp_path: Path) -> None:
    whole = read_run(make(tmp_path, Marked()).folder)
    stated = {**EXPECTED.settings, "heads": "o", "layers": "first_third", "context": "none"}
    faults = faults_of(whole, COLUMN, replace(EXPECTED, settings=stated))
    assert faults == [
        "context=visible, and none is wanted",
        "heads=qo, and o is wanted",
        "layers=all, and first_third is wanted",
    ]
    group = replace(COLUMN, group="q0", n=HISTORIES)
    assert faults_of(whole, group, EXPECTED) == []
    absent = replace(COLUMN, metric="f1")
    assert faults_of(whole, absent, EXPECTED) == ["no sample has f1"]


points = st.floats(-50, 150, allow_nan=False)
halves = st.floats(0, 60, allow_nan=False)


@given(points, halves, points, st.none() | points)
def test_verdicts_follow_their_definitions(
    mean: float, half: float, printed: float, reference: float | None
) -> None:
    said = decide(Measured(mean=mean, half=half), printed, reference=reference).verdict
    gap = abs(mean - printed)
    assert (said is Verdict.MATCH) == (gap + half <= EQUAL)
    if said is Verdict.DIFFERS:
        assert gap > half
    if said is Verdict.WITHIN_NOISE:
        assert gap <= half <= LONGEST
        if reference is not None and abs(printed - reference) > EQUAL:
            assert abs(mean - reference) > half


@given(st.sampled_from([math.nan, math.inf, -math.inf]), st.booleans())
def test_nothing_that_is_not_finite_is_met(value: float, as_mean: bool) -> None:
    ours = Measured(mean=value, half=1.0) if as_mean else Measured(mean=46.5, half=abs(value))
    assert not decide(ours, PRINTED, reference=None).verdict.met


def test_an_interval_that_holds_the_backbone_too_says_nothing() -> None:
    ours = Measured(mean=44.0, half=4.0)
    assert decide(ours, PRINTED, reference=BACKBONE).verdict is Verdict.UNDERPOWERED
    assert decide(ours, PRINTED, reference=None).verdict is Verdict.WITHIN_NOISE
    long = Measured(mean=44.0, half=LONGEST + 0.1)
    assert decide(long, PRINTED, reference=None).verdict is Verdict.UNDERPOWERED


def test_averages_add_their_errors_as_independent_ones() -> None:
    parts = [Measured(mean=40.0, half=3.0), Measured(mean=50.0, half=4.0)]
    assert average(parts) == Measured(mean=45.0, half=2.5)
