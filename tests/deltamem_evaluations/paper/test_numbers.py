"""The published numbers: which averages and ratios follow from the cells, and which do not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

from deltamem_base.faults import InvalidData, InvalidInput
from deltamem_evaluations.paper.numbers import AVERAGE, Paper

PRINTED = 0.0051
"""Averages are printed with two digits: half of the last one, and what floats add."""
HALF = 0.005
"""Half of the last printed digit, of cells in percent and of ratios."""

DO_NOT_CLOSE = {("table1", "tsw")}
"""The one row whose printed average is not the mean of its cells."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A ratio of two cells (table, row, column), as the abstract has it."""

    value: float
    of: list[str]
    over: list[str]


CLAIMS = [
    Claim(**claim)
    for claim in yaml.safe_load((ROOT / "results" / "paper.yaml").read_text())["claims"].values()
]


@pytest.fixture(scope="module")
def paper() -> Paper:
    return Paper.read(ROOT / "results" / "paper.yaml")


def test_every_printed_average_but_one_is_the_mean_of_its_cells(paper: Paper) -> None:
    apart = {
        (name, row.name): table.averaged(row.name) - table.cells[row.name, AVERAGE].value
        for name, table in paper.tables.items()
        for row in table.rows
        if (row.name, AVERAGE) in table.cells and table.averaged(row.name) is not None
    }
    assert len(apart) == 20
    assert {place for place, gap in apart.items() if abs(gap) > PRINTED} == DO_NOT_CLOSE
    assert apart["table1", "tsw"] == pytest.approx(51.162 - 51.66, abs=1e-9)


def test_the_row_that_does_not_close_is_written_down(paper: Paper) -> None:
    for table, row in DO_NOT_CLOSE:
        assert any("51.16" in note for note in paper.cell(table, row, AVERAGE).notes)


def test_other_readings_of_locomo_would_break_the_averages(paper: Paper) -> None:
    table = paper.tables["table1"]
    for (row, column), cell in table.cells.items():
        if column == "locomo" and cell.others:
            for other in cell.others:
                mean = table.averaged(row) + (other - cell.value) / len(table.average_of)
                assert abs(mean - table.cells[row, AVERAGE].value) > PRINTED


def test_the_ratios_of_the_abstract_are_those_of_the_best_variants(paper: Paper) -> None:
    assert [claim.value for claim in CLAIMS] == [1.10, 1.15, 1.31, 1.20, 0.63]
    assert all(follows(paper, claim, claim.of) for claim in CLAIMS)
    table = paper.tables["table1"]
    for claim in CLAIMS[:4]:
        ours = ("ssw", "tsw", "msw")
        best = max(ours, key=lambda row: table.cells[row, claim.of[2]].value)
        assert claim.of[1] == best


def follows(paper: Paper, claim: Claim, of: Sequence[str]) -> bool:
    """Whether cells that round to the printed ones have a ratio that rounds to the claimed one."""
    above, below = paper.cell(*of).value, paper.cell(*claim.over).value
    low, high = (above - HALF) / (below + HALF), (above + HALF) / (below - HALF)
    return low <= claim.value + HALF and high >= claim.value - HALF


def test_no_single_variant_has_all_four_ratios(paper: Paper) -> None:
    for row in ("ssw", "tsw", "msw"):
        places = [("table1", row, claim.of[2]) for claim in CLAIMS[:4]]
        claims = zip(CLAIMS[:4], places, strict=True)
        assert not all(follows(paper, claim, place) for claim, place in claims), row


def test_the_locomo_average_weighs_questions(paper: Paper) -> None:
    table = paper.tables["locomo"]
    parts = [column for column in table.columns if column.group is not None]
    total = sum(table.cells["msw", c.name].value * c.n for c in parts) / sum(c.n for c in parts)
    assert total == pytest.approx(table.cells["msw", "locomo"].value, abs=PRINTED)


def test_groups_add_up_to_their_benchmarks(paper: Paper) -> None:
    columns = {c.name: c for table in paper.tables.values() for c in table.columns}
    bridge, comparison = columns["hotpotqa_bridge_em"], columns["hotpotqa_comparison_f1"]
    assert bridge.n + comparison.n == columns["hotpotqa_em"].n
    parts = [c.n for c in columns.values() if c.bench == "locomo" and c.group]
    assert sum(parts) == columns["locomo"].n


def test_tables_agree_where_they_repeat_a_number(paper: Paper) -> None:
    one, two = paper.tables["table1"], paper.tables["table2"]
    for row in ("frozen", "context2lora", "ssw", "tsw", "msw"):
        assert one.cells[row, AVERAGE].value == two.cells[f"qwen3-4b {row}", AVERAGE].value
    heads, depth = paper.tables["table3"], paper.tables["table4"]
    for column in ("hotpotqa_em", "locomo"):
        values = {
            one.cells["tsw", column].value,
            heads.cells["qo", column].value,
            depth.cells["all", column].value,
        }
        assert len(values) == 1
    appendix = paper.tables["locomo"].cells["msw", "locomo"].value
    assert appendix == one.cells["msw", "locomo"].value


def test_every_cell_has_a_column_and_a_mark(paper: Paper) -> None:
    for table in paper.tables.values():
        names = {column.name for column in table.columns}
        assert {column for _, column in table.cells} <= names
        assert {row for row, _ in table.cells} == {row.name for row in table.rows}
    cells = [cell for table in paper.tables.values() for cell in table.cells.values()]
    assert {cell.confidence for cell in cells} == {"agreed", "single", "disputed"}
    assert len(cells) == 158


def test_tables_by_number_and_what_is_not_there(paper: Paper) -> None:
    assert paper.table("1") is paper.tables["table1"]
    with pytest.raises(InvalidInput, match="no table '9'; choose one of table1, "):
        paper.table("9")
    with pytest.raises(InvalidInput, match="no number for row 'memorybank' and column 'gpqa'"):
        paper.cell("table1", "memorybank", "gpqa")


@pytest.mark.parametrize("text", ["", "a: [", "columns: {}\n", "- 1\n"])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "paper.yaml"
    path.write_text(text)
    with pytest.raises(InvalidData, match="does not hold published numbers"):
        Paper.read(path)
