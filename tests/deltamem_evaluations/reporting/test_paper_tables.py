"""Ours beside the paper's: which record counts, the differences, both averages, by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from simulated_runs import OWN, simulate

from deltamem_evaluations.paper.numbers import Paper
from deltamem_evaluations.reporting import Cell, StoredRecord, Table, markdown
from deltamem_evaluations.reporting.averages import averages
from deltamem_evaluations.reporting.counterparts import matches
from deltamem_evaluations.reporting.paper_tables import paper_tables
from deltamem_evaluations.reporting.tables import Estimate

EXACT = 1e-9
SCORES = [[1.0, 0.0, 1.0, 0.0]] * 3 + [[1.0, 1.0, 1.0, 0.0]]
"""9 of 16 are right: 56.25 %."""
MEAN = 56.25
BENCHES = {
    "ifeval": ("prompt_strict",),
    "hotpotqa": ("em", "f1"),
    "gpqa": ("accuracy",),
    "memory_agent_bench": ("score",),
    "locomo": ("f1",),
}


@pytest.fixture(scope="module")
def paper() -> Paper:
    return Paper.read(ROOT / "results" / "paper.yaml")


def ours(folder: Path, bench: str, **identity: Any) -> StoredRecord:
    settings = {"model": "qwen3-4b", "protocol": "paper", "context": "visible", **identity}
    groups = ("bridge", "comparison") if bench == "hotpotqa" else ()
    return simulate(folder, SCORES, bench=bench, metrics=BENCHES[bench], groups=groups, **settings)


def named(tables: list[Table], name: str) -> Table:
    return next(table for table in tables if table.name == f"paper-{name}")


def lines(table: Table, row: str) -> dict[str, dict[str, Cell]]:
    """Of one row: ours, the paper's, the difference, by column."""
    names = [c.words if isinstance(c, Cell) else c for c in (r[0] for r in table.rows)]
    start = names.index(row)
    found = {}
    for line in table.rows[start : start + 3]:
        if found and line[0] != "":
            break
        cells = zip(table.columns[2:], line[2:], strict=True)
        found[str(line[1])] = {c: v for c, v in cells if isinstance(v, Cell)}
    return found


def value(cell: Cell) -> float:
    assert cell.estimate is not None
    return cell.estimate.value


def test_no_counterpart_no_table(paper: Paper, tmp_path: Path) -> None:
    assert paper_tables([simulate(tmp_path, SCORES)], paper) == []


def test_ours_the_papers_and_the_difference(paper: Paper, tmp_path: Path) -> None:
    run = ours(tmp_path, "locomo")
    table = named(paper_tables([run], paper), "table1")
    assert [str(c) for c in table.columns[2:6]] == [
        "IFEval",
        "HotpotQA EM",
        "HotpotQA F1",
        "GPQA-D",
    ]
    tsw = lines(table, "tsw")
    low, high = (100 * end for end in run.record.metrics["f1"].ci95)
    assert value(tsw["ours"]["LoCoMo"]) == pytest.approx(MEAN, abs=EXACT)
    assert value(tsw["paper"]["LoCoMo"]) == 46.53
    apart = tsw["difference"]["LoCoMo"].estimate
    assert apart is not None
    assert apart.value == pytest.approx(MEAN - 46.53, abs=EXACT)
    assert (apart.low, apart.high) == pytest.approx((low - 46.53, high - 46.53), abs=EXACT)
    assert tsw["ours"]["IFEval"].text == tsw["difference"]["IFEval"].text == "–"
    assert list(lines(table, "frozen")) == ["paper"]
    text = markdown(table)
    assert "interval is that of our number, as the paper prints none" in text
    assert "16 of the benchmark's 1540 questions" in text
    assert "average 51.16 and 51.66 is printed" in text
    assert "9 of 10 rows are still to be run: deltamem ablate experiment=table1" in text
    assert len(table.rows) == 10 + 2


def test_confidence_and_disagreements_are_footnotes(paper: Paper, tmp_path: Path) -> None:
    run = ours(tmp_path, "locomo", method="bm25_rag", context="part")
    made = run.record.provenance
    natural = replace(made, method=replace(made.method, natural_context="part"))
    run = replace(run, record=replace(run.record, provenance=natural))
    table = named(paper_tables([run], paper), "table1")
    notes = {n.mark: n.text for n in table.notes if not isinstance(n, str)}
    printed = lines(table, "bm25_rag")["paper"]
    texts = [notes[mark] for mark in printed["LoCoMo"].marks]
    assert any(t == "other readings have 38.12" for t in texts)
    assert any("only these make the averages close" in t for t in texts)
    assert [notes[m] for m in printed["MAB-TTL"].marks] == ["one reading of the paper only"]
    assert lines(table, "frozen")["paper"]["IFEval"].marks == ()


@pytest.mark.parametrize(
    ("change", "fits"),
    [
        ({}, True),
        ({"control": "foreign"}, False),
        ({"limited": True}, False),
        ({"complete": False}, False),
        ({"context": "none"}, False),
        ({"writer": "ssw"}, False),
        ({"model": "qwen3-8b"}, False),
        ({"described": {"heads": "qkvo"}}, False),
        ({"described": {"layers": "first_third"}}, False),
        ({"described": {"rank": 16}}, False),
        ({"described": {"write_answers": True}}, True),
        ({"described": {"write_answers": False}}, False),
    ],
)
def test_which_record_counts(
    change: dict[str, Any], fits: bool, paper: Paper, tmp_path: Path
) -> None:
    described = {**OWN, **change.pop("described", {})}
    record = replace(ours(tmp_path, "locomo", described=described).record, **change)
    row = next(row for row in paper.tables["table1"].rows if row.name == "tsw")
    assert matches(record, row.settings) is fits


def test_another_protocol_is_no_counterpart(paper: Paper, tmp_path: Path) -> None:
    tables = paper_tables([ours(tmp_path, "locomo", protocol="benchmark")], paper)
    assert [t.name for t in tables if t.name != "paper-figure4"] == []


def test_heads_layers_and_no_context_find_their_rows(paper: Paper, tmp_path: Path) -> None:
    runs = [
        ours(tmp_path / "q", "locomo", described={**OWN, "heads": "q"}),
        ours(tmp_path / "first", "locomo", described={**OWN, "layers": "first_third"}),
        ours(tmp_path, "hotpotqa", context="none"),
    ]
    tables = paper_tables(runs, paper)
    assert value(lines(named(tables, "table3"), "q")["ours"]["LoCoMo"]) == pytest.approx(MEAN)
    assert value(lines(named(tables, "table4"), "first")["ours"]["LoCoMo"]) == pytest.approx(MEAN)
    bridge = lines(named(tables, "figure2"), "tsw")["ours"]["bridge EM"].estimate
    assert bridge is not None
    assert bridge.value == pytest.approx(100.0)
    assert bridge.n == 8


def test_one_row_is_one_configuration(paper: Paper, tmp_path: Path) -> None:
    """Two adapters: the one with more columns is shown whole, though the other is newer."""
    runs = [
        ours(tmp_path / "a", "locomo"),
        ours(tmp_path / "a", "hotpotqa"),
        ours(tmp_path / "b", "locomo", described={**OWN, "adapter_sha": "b" * 64}),
    ]
    runs[2] = replace(runs[2], record=replace(runs[2].record, date="2099"))
    text = markdown(named(paper_tables(runs, paper), "table1"))
    assert "1 more of our configurations match this row" in text
    shown = lines(named(paper_tables(runs, paper), "table1"), "tsw")
    assert value(shown["ours"]["HotpotQA EM"]) == pytest.approx(MEAN)
    assert shown["ours"]["LoCoMo"].text != "–"


def test_both_averages_of_a_row_with_blanks(paper: Paper) -> None:
    """BM25 has no IFEval and no GPQA: 81.89 and 39.39 of the backbone stand in."""
    table = paper.tables["table1"]
    mine = {
        "frozen": {n: Estimate(value=v, low=v - 3, high=v + 4) for n, v in FROZEN.items()},
        "bm25_rag": {n: Estimate(value=v, low=v - 1, high=v + 2) for n, v in BM25.items()},
    }
    found = averages(table, "bm25_rag", mine)
    assert found.filled is not None
    assert found.filled.value == pytest.approx((80 + 40 + 41 + 25 + 37) / 5)
    assert found.filled.low == pytest.approx(44.6 - math.sqrt(9 + 1 + 9 + 1 + 1) / 5)
    assert found.filled.high == pytest.approx(44.6 + math.sqrt(16 + 4 + 16 + 4 + 4) / 5)
    assert found.cells == ("hotpotqa_em", "mab", "locomo")
    assert found.measured is not None
    assert found.measured.value == pytest.approx((40 + 25 + 37) / 3)
    assert found.published == pytest.approx((40.35 + 24.49 + 36.68) / 3)
    whole = averages(table, "frozen", mine)
    assert whole.filled is not None
    assert whole.filled.value == pytest.approx((80 + 43 + 41 + 30 + 42) / 5)


FROZEN = {"ifeval": 80.0, "hotpotqa_em": 43.0, "gpqa": 41.0, "mab": 30.0, "locomo": 42.0}
BM25 = {"hotpotqa_em": 40.0, "mab": 25.0, "locomo": 37.0}


def test_a_cell_that_was_not_run_is_not_filled(paper: Paper) -> None:
    table = paper.tables["table1"]
    frozen = {n: Estimate(value=v) for n, v in FROZEN.items()}
    part = {n: Estimate(value=v) for n, v in BM25.items() if n != "mab"}
    found = averages(table, "bm25_rag", {"frozen": frozen, "bm25_rag": part})
    assert found.filled is None
    assert found.cells == ("hotpotqa_em", "locomo")
    assert found.published == pytest.approx((40.35 + 36.68) / 2)
    alone = averages(
        table, "bm25_rag", {"bm25_rag": {n: Estimate(value=v) for n, v in BM25.items()}}
    )
    assert alone.filled is None
    printed = averages(table, "memorybank", {})
    assert (printed.filled, printed.measured) == (None, None)
    assert printed.published == pytest.approx((17.65 + 38.14) / 2)


def test_table_2_has_nothing_but_averages(paper: Paper, tmp_path: Path) -> None:
    runs = [ours(tmp_path, bench, model="qwen3-8b") for bench in BENCHES]
    table = named(paper_tables(runs, paper), "table2")
    assert list(table.columns) == ["row", "whose", "average"]
    found = lines(table, "qwen3-8b tsw")
    assert value(found["ours"]["average"]) == pytest.approx(MEAN)
    assert value(found["difference"]["average"]) == pytest.approx(MEAN - 50.68)
    fewer = named(paper_tables(runs[1:], paper), "table2")
    assert lines(fewer, "qwen3-8b tsw")["ours"]["average"].text == "–"


def test_a_backbone_that_is_not_the_papers_is_said(paper: Paper, tmp_path: Path) -> None:
    run = ours(tmp_path, "gpqa", method="frozen")
    table = named(paper_tables([run], paper), "table1")
    low = 100 * run.record.metrics["accuracy"].ci95[0]
    assert low > 39.39
    assert "our frozen differs from the paper's on GPQA-D (+16.86 [" in markdown(table)


def test_trained_parameters(paper: Paper, tmp_path: Path) -> None:
    run = ours(tmp_path, "locomo", described={**OWN, "trained_parameters": 4866336})
    found = lines(named(paper_tables([run], paper), "figure4"), "tsw")
    assert found["ours"]["trained parameters"].text == "4,866,336"
    assert found["paper"]["trained parameters"].text == "4,870,000"
    assert found["difference"]["trained parameters"].text == "-3,664"
