"""The table of results: protocols apart, no record hidden, and bold only what the data tells."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom
from simulated_runs import simulate

from deltamem_evaluations.records.provenance import MethodIdentity
from deltamem_evaluations.records.record import Counts, Record, Rescoring, Thinking
from deltamem_evaluations.reporting import SampleReader, StoredRecord, markdown, results_table
from deltamem_evaluations.reporting.emphasis import emphasised

ALPHA = 0.05
TIMES = 25


def stored(*records: Record) -> list[StoredRecord]:
    return [StoredRecord(record=r, file=Path(r.path)) for r in records]


@pytest.fixture
def base(tmp_path: Path) -> Record:
    return simulate(tmp_path, [[1.0] * 3] * 5, method="parrot").record


def test_the_table(base: Record) -> None:
    other = replace(base, cell="l__2", fingerprint="f2", date="2030")
    control = replace(base, cell="l__3", control="foreign", limited=True, deviations=("by | hand",))
    text = markdown(results_table(stored(base, other, control)), title="T")
    assert "| drawn em (a)" in text
    assert "| drawn em (b)" in text
    # five histories that are all right: Clopper-Pearson leaves 1 - 0.025^(1/5) below them
    assert f"100.0 ± {100 * (1 - 0.025**0.2):.1f} (n=15, k=5)" in text
    assert "(n=15, k=5) [†, 1]" in text
    assert "- [†] only the first samples" in text
    assert "- [1] by \\| hand" in text
    assert f"- drawn em (a): protocol benchmark, fingerprint {base.fingerprint}" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line) for line in rows}) == 1
    assert [line.count("|") for line in rows] == [7] * 4


def test_one_protocol_needs_no_mark(base: Record) -> None:
    text = markdown(results_table(stored(base)))
    assert "| drawn em  " in text
    assert "(a)" not in text


def test_each_judge_has_a_column(base: Record) -> None:
    other = replace(base, cell="l__2", method="other")
    entry = Rescoring(
        date="2030",
        fingerprint="j",
        metrics={**base.metrics, "judged": replace(base.metrics["em"], mean=0.25)},
        thinking=Thinking(),
        judge="gpt-x",
    )
    newer = replace(entry, metrics={"judged": replace(base.metrics["em"], mean=0.5)})
    plain = replace(entry, judge=None)
    judged = replace(base, rescored=(entry, plain, newer))
    text = markdown(results_table(stored(judged, other)))
    assert text.count("drawn judged, by gpt-x") == 1
    assert "| 50.0 ± " in text
    assert "25.0" not in text
    assert "judged" not in markdown(results_table(stored(replace(base, rescored=(plain,)))))


@pytest.mark.parametrize(
    ("changes", "marks"),
    [
        ([{"seed": 0}, {"seed": 1}], ["parrot seed=0", "parrot seed=1"]),
        (
            [{"sha": "aaaaaaaabbbb"}, {"sha": "ccccccccdddd"}],
            ["parrot @aaaaaaaa", "parrot @cccccccc"],
        ),
        ([{"k": 1}, {"k": 2}], ["parrot settings=", "parrot settings="]),
        ([{"expected": 15}, {"expected": 9}], ["parrot n=15", "parrot n=9"]),
    ],
    ids=["seed", "weights", "settings", "limit"],
)
def test_records_of_one_method_never_hide_each_other(
    changes: list[dict[str, Any]], marks: list[str], base: Record
) -> None:
    records = []
    for i, change in enumerate(changes):
        method = MethodIdentity(
            adapter_sha=change.get("sha", "same"), settings={"k": change.get("k", 0)}
        )
        records.append(
            replace(
                base,
                cell=f"letters__parrot__{i}",
                seed=change.get("seed", 0),
                n=Counts(expected=change.get("expected", 15), scored=15),
                provenance=replace(base.provenance, method=method),
            )
        )
    rows = results_table(stored(*records)).rows
    assert len(rows) == 2
    assert all(any(mark in str(row[1]) for row in rows) for mark in marks)
    assert len({row[1] for row in rows}) == 2


def draw(rng: np.random.Generator, rate: float, *, histories: int = 60) -> list[list[float]]:
    """Three 0/1 scores for each history; those of one history lean the same way."""
    lean = rng.normal(0, 0.1, histories)
    return [(rng.random(3) < rate + shift).astype(float).tolist() for shift in lean]


def judged(runs: dict[str, StoredRecord]) -> dict[str, str | None]:
    found = emphasised(list(runs.values()), reader=SampleReader())
    return {name: found.get(run.record.cell) for name, run in runs.items()}


def contest(folder: Path, **scores: list[list[float]]) -> dict[str, StoredRecord]:
    return {name: simulate(folder, drawn, method=name) for name, drawn in scores.items()}


def test_what_is_far_apart_is_bold_and_underlined(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    runs = contest(tmp_path, low=draw(rng, 0.1), mid=draw(rng, 0.5), high=draw(rng, 0.9))
    assert judged(runs) == {"high": "best", "mid": "second", "low": None}
    text = markdown(
        results_table(
            list(runs.values()), emphasis=emphasised(list(runs.values()), reader=SampleReader())
        )
    )
    mean = 100 * runs["high"].record.metrics["em"].mean
    assert f"**{mean:.1f} ±" in text
    assert text.count("<ins>") == 1


def test_a_tie_is_not_broken(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    one, other = draw(rng, 0.8), draw(rng, 0.8)
    assert set(judged(contest(tmp_path / "a", one=one, other=other)).values()) == {None}
    runs = contest(tmp_path / "b", one=one, other=other, low=draw(rng, 0.2))
    assert judged(runs) == {"one": "best", "other": "best", "low": None}
    runs = contest(tmp_path / "c", high=[[1.0] * 3] * 60, a=draw(rng, 0.5), b=draw(rng, 0.5))
    assert judged(runs) == {"high": "best", "a": None, "b": None}


def test_equal_methods_are_seldom_told_apart(tmp_path: Path) -> None:
    """Four equal rows, many times: corrected over all pairs, 5 % of the times or fewer."""
    rng = np.random.default_rng(2)
    told = 0
    for i in range(TIMES):
        rows = {f"m{j}": draw(rng, 0.5, histories=20) for j in range(4)}
        told += any(
            value is not None for value in judged(contest(tmp_path / str(i), **rows)).values()
        )
    assert told <= binom.ppf(0.99, TIMES, ALPHA)


def test_pairing_finds_what_intervals_alone_do_not(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    scores = draw(rng, 0.6)
    worse = [[0.0 if h % 8 == 0 else s for s in inside] for h, inside in enumerate(scores)]
    runs = contest(tmp_path, better=scores, worse=worse)
    assert judged(runs)["better"] == "best"
    for run in runs.values():
        run.file.with_name("samples.jsonl").unlink()
    assert set(judged(runs).values()) == {None}


def test_controls_limits_and_views_do_not_contend(tmp_path: Path) -> None:
    ones, zeros = [[1.0] * 3] * 20, [[0.0] * 3] * 20
    runs = {
        "own": simulate(tmp_path, ones, method="delta_mem"),
        "control": simulate(tmp_path, zeros, method="delta_mem", control="zero"),
        "limited": simulate(tmp_path, zeros, method="few", limited=True),
        "in view": simulate(tmp_path, zeros, method="seen", context="visible"),
        "other model": simulate(tmp_path, zeros, method="frozen", model="large"),
    }
    assert set(judged(runs).values()) == {None}
    runs["contender"] = simulate(tmp_path, zeros, method="frozen")
    assert {name for name, kind in judged(runs).items() if kind} == {"own"}
