"""Plans: every experiment composes, at the paper's scale too; keys are content."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT

from deltamem_cli.errors import UsageError
from deltamem_cli.experiments import Plan
from deltamem_cli.experiments.asked import plan_of
from deltamem_cli.experiments.merged_words import as_overrides
from deltamem_cli.settings.groups import options
from deltamem_evaluations.paper.numbers import Paper

PAPER_TRAINING = "train:training=recall"
"""The paper's own data need not be described for a plan to be laid out."""


def plan(*words: str) -> Plan:
    return plan_of(as_overrides(words))[0]


def keys(made: Plan) -> dict[tuple[str, str], str]:
    return {(cell.row, cell.column): cell.key for cell in made.cells}


@pytest.mark.parametrize("experiment", options("experiment"))
def test_the_papers_scale_composes_and_has_every_row_and_column_of_its_table(
    experiment: str,
) -> None:
    made = plan(f"experiment={experiment}", PAPER_TRAINING)
    assert made.cells
    assert len(set(keys(made))) == len(made.cells)
    if made.table is None:
        return
    table = Paper.read(ROOT / "results" / "paper.yaml").tables[made.table]
    assert table.experiment == experiment
    for row, name in table.cells:
        column = table.measured_by[name]
        cells = [c for c in made.cells if c.row == row]
        assert cells, row
        assert column.bench is None or column.bench in {c.bench for c in cells}
        settings = table.row(row).settings
        for cell in cells:
            assert cell.model == settings["model"]
            if settings.get("writer"):
                assert f"writer={settings['writer']}" in cell.evaluate
            if cell.train is not None and "heads" in settings and experiment == "heads":
                assert f"steer={settings['heads']}" in cell.train
    released = {row for row in made.rows if row in table.released}
    assert released == set(table.released)
    assert all(cell.train is None for cell in made.cells if cell.row in released)
    averaged = {n for n in table.average_of for row in table.rows if (row.name, n) in table.cells}
    assert averaged <= {n for n, c in table.measured_by.items() if c.bench}


def test_experiments_share_what_is_the_same() -> None:
    tables = {
        name: plan(f"experiment={name}", "scale=smoke") for name in ("table1", "heads", "depth")
    }
    same = {
        tables["table1"].cell("tsw", "recall").key,
        tables["heads"].cell("qo", "recall").key,
        tables["depth"].cell("all", "recall").key,
    }
    assert len(same) == 1
    every = {cell.key for made in tables.values() for cell in made.cells}
    assert len(every) == 11 + 6 + 4 - 2


def test_a_key_is_what_a_cell_holds_and_not_where_it_goes() -> None:
    base = ("experiment=heads", "scale=smoke", "only=[q,o]")
    usual = keys(plan(*base))
    assert keys(plan(*base, "runs_dir=elsewhere", "results_dir=null")) == usual
    assert len(set(usual.values())) == 2
    for word in ("train:training.steps=3", "eval:seed=1", "eval:limit=2", "seeds=[7]"):
        changed = keys(plan(*base, word))
        assert changed.keys() == usual.keys()
        assert not set(changed.values()) & set(usual.values()), word


def test_a_file_is_known_by_its_content(in_folder: Path) -> None:
    def key() -> str:
        made = plan("experiment=heads", PAPER_TRAINING, "only=[q/locomo]", "eval:bench.path=d.json")
        return made.cells[0].key

    (in_folder / "d.json").write_text("[]")
    first = key()
    assert key() == first
    (in_folder / "d.json").write_text("[1]")
    assert key() != first


def test_several_seeds_make_rows_of_their_own() -> None:
    made = plan("experiment=writers", "scale=smoke", "seeds=[42,43]", "only=['tsw, seed 43']")
    assert list(made.rows) == ["tsw, seed 43"]
    assert "seed=43" in (made.cells[0].train or ())
    assert made.columns == ["recall", "recall, context=none"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], r"name an experiment: experiment= one of capacity, depth, .*table2, writers"),
        (["experiment=head"], r"no experiment 'head' \(did you mean 'heads'"),
        (["experiment=heads", "scale=small"], "no scale 'small'"),
        (["experiment=heads", "seeds=[1,2,1]"], r"seeds=\[1,2,1\] names a seed twice; name each"),
        (["experiment=heads", "scale=smoke", "only=[z]"], "there is no cell 'z'; name a row"),
        (
            ["experiment=heads", "scale=smoke", "train:training.stepz=1"],
            "no setting 'training.stepz'",
        ),
        (["experiment=heads", "scale=smoke", "eval:bench.factz=1"], "no setting 'bench.factz'"),
    ],
)
def test_what_makes_no_plan(words: list[str], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        plan(*words)
