"""``deltamem reproduce``: a verdict on each printed number; on a tiny backbone never a good one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deltamem_cli.experiments import Outcome, Plan, run_missing
from deltamem_cli.experiments.asked import plan_of
from deltamem_cli.experiments.jobs import jobs_of
from deltamem_cli.experiments.judging import judge_table
from deltamem_cli.runs.evaluation import run_evaluation
from deltamem_cli.screen.console import Console
from deltamem_evaluations.paper.numbers import Column, Published, Row, Table
from deltamem_evaluations.paper.verdict import Verdict

WORDS = ["experiment=table1", "scale=smoke", "only=[tsw]", "results_dir=null"]
QUIET = Console(quiet=True)
PLACE = ("tsw", "recall")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, dict[str, Outcome], Path]:
    """One trained and evaluated cell on the embedded backbone."""
    runs = tmp_path_factory.mktemp("runs")
    plan, _, _ = plan_of([*WORDS, f"runs_dir={runs}"])
    outcomes = run_missing(jobs_of(plan.cells), WORDS, runs=runs, results=None, console=QUIET)
    return plan, outcomes, runs


def printed(value: float, *, n: int = 5, **settings: str) -> Table:
    """A table with one number, of what the embedded backbone was asked."""
    column = Column(name="recall", title="recall", bench="recall", metric="em", n=n)
    known = {"model": "tiny", "method": "delta_mem", "writer": "tsw", "protocol": "benchmark"}
    cell = Published(table="t", row="tsw", column="recall", value=value, confidence="agreed")
    return Table(
        name="t",
        title="t",
        columns=[column],
        rows=[Row(name="tsw", settings={**known, **settings})],
        cells={PLACE: cell},
        measured_by={"recall": column},
    )


def verdict(table: Table, plan: Plan, outcomes: dict[str, Outcome]) -> tuple[Verdict, str]:
    (judged,) = judge_table(table, plan, outcomes, places=[PLACE])
    return judged.judgement.verdict, judged.judgement.why


def test_a_true_number_is_met_and_a_wrong_one_is_not(ran: Any) -> None:
    plan, outcomes, _ = ran
    assert verdict(printed(100.0), plan, outcomes)[0] is Verdict.MATCH
    assert verdict(printed(90.0), plan, outcomes)[0] is Verdict.DIFFERS


def test_a_foreign_adapter_is_never_a_match(ran: Any, tmp_path: Path) -> None:
    """The record in the ledger was made with the shipped adapter, not with the trained one."""
    plan, outcomes, _ = ran
    cell = plan.cells[0]
    foreign = [
        *cell.evaluate,
        "adapter=${model.adapters.tsw}",
        f"runs_dir={tmp_path}",
        "results_dir=null",
    ]
    record = run_evaluation(foreign, console=QUIET)
    swapped = {**outcomes, cell.key: replace(outcomes[cell.key], path=record.path)}
    said, why = verdict(printed(100.0), plan, swapped)
    assert said is Verdict.INVALID
    assert "the training made" in why


def test_other_settings_of_the_run_are_never_a_match(ran: Any, tmp_path: Path) -> None:
    plan, outcomes, _ = ran
    cell = plan.cells[0]
    adapter, places = f"adapter={outcomes[cell.train_key].path}", f"runs_dir={tmp_path}"
    other = [*cell.evaluate, adapter, places, "results_dir=null", "method.window=64"]
    record = run_evaluation(other, console=QUIET)
    swapped = {**outcomes, cell.key: replace(outcomes[cell.key], path=record.path)}
    assert verdict(printed(100.0), plan, swapped) == (Verdict.INVALID, "method is not as planned")


def test_too_few_samples_and_the_wrong_protocol_are_invalid(ran: Any) -> None:
    plan, outcomes, _ = ran
    said, why = verdict(printed(100.0, n=15), plan, outcomes)
    assert (said, why) == (Verdict.INVALID, "5 of the benchmark's 15 samples")
    said, why = verdict(printed(100.0, protocol="paper"), plan, outcomes)
    assert (said, why) == (Verdict.INVALID, "protocol=benchmark, and paper is wanted")


def test_a_run_that_failed_is_invalid_with_its_reason(ran: Any) -> None:
    plan, outcomes, _ = ran
    key = plan.cells[0].key
    failed = {**outcomes, key: Outcome(key=key, fault="no data", exit_code=4)}
    assert verdict(printed(100.0), plan, failed) == (Verdict.INVALID, "no data")


def test_the_tiny_backbone_reproduces_nothing_of_the_paper(cli: Callable[..., Any]) -> None:
    done = cli("reproduce", "table=4", "scale=smoke", "--json")
    assert done.code == 3
    content = json.loads(done.out)
    assert content["met"] is False
    assert len(content["rows"]) == 12
    assert {row["verdict"] for row in content["rows"]} == {"INVALID"}
    assert Path("runs/reproduce/table4.md").is_file()


def test_only_what_a_cell_needs_is_planned(cli: Callable[..., Any]) -> None:
    def labels(cell: str) -> set[str]:
        done = cli("reproduce", "table=1", f"cell={cell}", "train:training=recall",
                   "--dry-run", "--json")  # fmt: skip
        assert done.code == 0, done.err
        return {row["label"] for row in json.loads(done.out)["rows"]}

    assert labels("frozen/locomo") == {"frozen / locomo"}
    assert labels("tsw/hotpotqa_f1") == {"tsw", "tsw / hotpotqa"}
    assert labels("tsw-released/gpqa") == {"tsw-released / gpqa"}
    benchmarks = {"ifeval", "hotpotqa", "gpqa", "mab", "locomo"}
    text = {"mab", "locomo"}
    assert labels("memorybank/average") == {f"memorybank / {b}" for b in text} | {
        f"frozen / {b}" for b in benchmarks - text
    }


def test_a_released_adapter_is_judged_by_its_row_and_nothing_is_trained(tmp_path: Path) -> None:
    words = ["experiment=table1", "scale=smoke", "only=[tsw-released]", "results_dir=null"]
    plan, _, _ = plan_of([*words, f"runs_dir={tmp_path}"])
    outcomes = run_missing(jobs_of(plan.cells), words, runs=tmp_path, results=None, console=QUIET)
    table = replace(printed(100.0), released={"tsw-released": "tsw"}).with_released()
    place = ("tsw-released", "recall")

    def judged(told: dict[str, Outcome]) -> tuple[Verdict, str]:
        (one,) = judge_table(table, plan, told, places=[place])
        return one.judgement.verdict, one.judgement.why

    (cell,) = plan.cells
    assert cell.train is None
    assert judged(outcomes)[0] is Verdict.MATCH
    other = [*cell.evaluate, "adapter=${model.adapters.msw}", f"runs_dir={tmp_path}/other"]
    other = [w for w in other if w not in ("adapter=${model.adapters.tsw}", "writer=tsw")]
    words = [*other, "results_dir=null"]
    record = run_evaluation(words, console=QUIET)
    swapped = {cell.key: replace(outcomes[cell.key], path=record.path)}
    said, why = judged(swapped)
    assert said is Verdict.INVALID
    assert "the weights are" in why


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "name a table: table= one of table1, table2, table3, table4, figure2, locomo"),
        (["table=7"], "the paper has no table '7'"),
        (["table=figure4"], "table=figure4 is not judged"),
        (["table=1", "cell=tws"], "table1 has no printed number at cell=tws; rows are frozen"),
        (["table=1", "cell="], "give cell= once, followed by a name: cell="),
        (["table=1", "cell=tsw", "cell=ssw"], "give cell= once, followed by a name: cell=ssw"),
        (["table=1", "cell=memorybank/gpqa"], "no printed number at cell=memorybank/gpqa"),
        (["table=1", "experiment=heads"], "takes table= and cell= instead"),
    ],
)
def test_what_cannot_be_judged(words: list[str], sentence: str, cli: Callable[..., Any]) -> None:
    done = cli("reproduce", *words)
    assert done.code == 2
    assert sentence in done.err
