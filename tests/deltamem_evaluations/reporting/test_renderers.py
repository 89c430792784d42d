"""One report in every format: the same numbers, nothing that a format takes for its own."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from simulated_runs import simulate

from deltamem_evaluations.paper.numbers import Paper
from deltamem_evaluations.reporting import (
    Cell,
    Estimate,
    Report,
    SampleReader,
    StoredRecord,
    Table,
    make_report,
    markdown,
)
from deltamem_evaluations.reporting.as_csv import COLUMNS, csv_lines
from deltamem_evaluations.reporting.as_html import html_page
from deltamem_evaluations.reporting.as_json import json_content
from deltamem_evaluations.reporting.as_latex import PREAMBLE, latex, latex_text
from deltamem_evaluations.reporting.as_markdown import markdown_report

HOSTILE = "R&D_50%$#~^{x}\\|<b>δ 中"
EXACT = 1e-12


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> list[StoredRecord]:
    folder = tmp_path_factory.mktemp("project")
    rng = np.random.default_rng(0)
    runs = []
    for method, control, rate in (
        ("frozen", "none", 0.3),
        ("delta_mem", "none", 0.9),
        ("delta_mem", "foreign", 0.4),
    ):
        scores = [(rng.random(4) < rate).astype(float).tolist() for _ in range(30)]
        settings = {"model": "qwen3-4b", "context": "none", "protocol": "paper"}
        runs.append(
            simulate(
                folder,
                scores,
                method=method,
                control=control,
                bench="hotpotqa",
                metrics=("em", "f1"),
                groups=("bridge", "comparison"),
                **settings,
            )
        )
    runs.append(simulate(folder, [[1.0, 0.0]] * 4, method="frozen", model=HOSTILE, bench=HOSTILE))
    runs.append(simulate(folder, [[1.0]], method="delta_mem", bench="single"))
    runs.append(simulate(folder, [[0.0]], method="delta_mem", bench="single", control="zero"))
    return runs


@pytest.fixture(scope="module")
def report(stored: list[StoredRecord]) -> Report:
    paper = Paper.read(ROOT / "results" / "paper.yaml")
    return make_report(stored, paper=paper, reader=SampleReader(), notes=[HOSTILE])


def estimates(report: Report) -> list[Estimate]:
    cells = [c for t in report.tables if not t.folded for row in t.rows for c in row]
    return [c.estimate for c in cells if isinstance(c, Cell) and c.estimate is not None]


def test_the_tables_are_there(report: Report) -> None:
    names = [table.name for table in report.tables]
    assert names[:3] == ["scores", "attribution", "paper-figure2"]
    assert names[3:] == ["paper-figure4", "costs", "provenance"]


@pytest.mark.parametrize("render", [markdown_report, latex], ids=["markdown", "latex"])
def test_every_number_is_in_the_text(render: object, report: Report) -> None:
    text = render(report)  # type: ignore[operator]
    plain = text.replace("$\\pm$", "±").replace("$-$", "-")
    for estimate in estimates(report):
        assert estimate.text in plain
    mean = report.records[1].record.metrics["em"].mean
    assert f"{100 * mean:.1f} ±" in plain


def test_no_format_has_what_is_not_a_number(report: Report) -> None:
    texts = [markdown_report(report), latex(report), csv_lines(report)]
    texts.append(json.dumps(json_content(report), allow_nan=False))
    for text in texts:
        assert not re.search(r"\b(nan|inf|infinity)\b", text, re.IGNORECASE)


def test_a_single_question_has_no_interval(report: Report) -> None:
    attribution = next(t for t in report.tables if t.name == "attribution")
    row = next(r for r in attribution.rows if "single em" in r and r[4].text == "zero")
    assert isinstance(row[7], Cell)
    assert row[7].text == "+100.0"


def test_markdown_keeps_its_columns(report: Report) -> None:
    table = next(t for t in report.tables if t.name == "scores")
    lines = [line for line in markdown(table).splitlines() if line.startswith("|")]
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
    assert set(bars) == {len(table.columns) + 1}
    assert "\\<b>" in lines[0]


def test_csv_parses_back(report: Report) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_lines(report), newline="")))
    assert set(lines[0]) == set(COLUMNS)
    found = {(line["cell"], line["metric"], line["group"]): line for line in lines}
    assert len(found) == len(lines)
    wanted = 0
    for stored in report.records:
        record = stored.record
        for name, metric in record.metrics.items():
            line = found[record.cell, name, "all"]
            assert float(line["mean"]) == pytest.approx(metric.mean, abs=EXACT)
            ends = (float(line["ci95_low"]), float(line["ci95_high"]))
            assert ends == pytest.approx(metric.ci95, abs=EXACT)
            assert (line["n"], line["histories"]) == (str(metric.n), str(metric.clusters))
            assert line["model"] == record.model
            for group, part in metric.groups.items():
                inner = found[record.cell, name, group]
                assert float(inner["ci95_high"]) == pytest.approx(part.hi, abs=EXACT)
            wanted += 1 + len(metric.groups)
    assert len(lines) == wanted


def test_json_has_the_records_and_the_numbers(report: Report) -> None:
    content = json_content(report)
    assert [row["cell"] for row in content["rows"]] == [s.record.cell for s in report.records]
    assert content["rows"][0] == json.loads(report.records[0].file.read_text(encoding="utf-8"))
    cells = [c for t in content["tables"] for row in t["rows"] for c in row if "value" in c]
    assert [c["value"] for c in cells] == [e.value for e in estimates(report)]


def unescaped(text: str) -> str:
    """LaTeX without its commands and escaped characters: what is left has to be harmless."""
    text = re.sub(r"(?m)^%.*$", "", text)
    text = re.sub(r"\\[&%$#_{}]", "", text)
    return re.sub(r"\$(\\[a-z]+|-|\^2)\$", "", text)


def test_latex_is_balanced_and_escaped(report: Report) -> None:
    text = latex(report)
    left = unescaped(text)
    assert left.count("{") == left.count("}")
    assert not set("$#~^_") & set(left)
    assert text.count("\\begin{table}") == text.count("\\end{table}") == 5
    rows = [line for line in left.splitlines() if line.endswith("\\\\")]
    widths = {len(table.columns) - 1 for table in report.tables if not table.folded}
    assert {row.count("&") for row in rows} == widths
    assert "R\\&D\\_50\\%\\$\\#" in text
    assert "$\\delta$" in text
    assert "U+4E2D" in text


@given(st.text())
def test_any_text_is_harmless_in_latex(text: str) -> None:
    left = re.sub(r"\\[a-z]+\{\}", "", unescaped("x" + latex_text(text)))
    assert not set("\\{}$&#~^_%\n") & set(left)
    assert left.isprintable()


@given(st.text())
def test_any_text_stays_in_its_markdown_cell(text: str) -> None:
    lines = markdown(Table(columns=["a", "b"], rows=[[text, "x"]])).split("\n")
    assert len(lines) == 4
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", lines[2])) == 3


def test_latex_compiles(report: Report, tmp_path: Path) -> None:
    compiler = shutil.which("pdflatex")
    if compiler is None:
        pytest.skip("pdflatex is not on this machine")
    body = [r"\documentclass{article}", *PREAMBLE, r"\begin{document}", latex(report)]
    source = tmp_path / "report.tex"
    source.write_text("\n".join([*body, r"\end{document}"]), encoding="utf-8")
    done = subprocess.run(
        [compiler, "-interaction=nonstopmode", "-halt-on-error", source.name],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(value=76.52, low=69.5, high=83.4), "76.5 ± 7.0"),
        (Estimate(value=76.5, low=76.5, high=76.5, n=9, histories=3), "76.5 ± 0.0 (n=9, k=3)"),
        (Estimate(value=1.24, low=-0.5, high=2.94, difference=True), "+1.2 [-0.5, +2.9]"),
        (Estimate(value=-0.04, low=-0.04, high=0.0, difference=True), "+0.0 [+0.0, +0.0]"),
        (Estimate(value=4866336, digits=0), "4,866,336"),
        (Estimate(value=-3664, digits=0, difference=True), "-3,664"),
    ],
)
def test_how_numbers_read(estimate: Estimate, text: str) -> None:
    assert estimate.text == text


def test_what_is_not_finite_is_no_estimate() -> None:
    assert Estimate.of(float("nan")) is None
    assert Estimate.of(0.5, (float("-inf"), float("inf"))) == Estimate(value=0.5)


FORMULA = '=HYPERLINK("x")|[a](http://x.y) www.x.y\x1b[2J\x07'


def test_text_of_a_record_is_shown_and_steers_nothing(report: Report) -> None:
    """Names that a spreadsheet, GitHub or a terminal would act upon."""
    stored = report.records[0]
    record = replace(stored.record, model=FORMULA, deviations=(FORMULA,))
    bad = make_report([replace(stored, record=record)], paper=None, reader=SampleReader())
    texts = {
        "markdown": markdown_report(bad),
        "latex": latex(bad),
        "csv": csv_lines(bad),
        "html": html_page(bad, attributions=[], reader=SampleReader()),
    }
    for name, text in texts.items():
        assert not {"\x1b", "\x07"} & set(text), name
        assert "u001b" in text, name
    line = next(csv.DictReader(io.StringIO(texts["csv"], newline="")))
    assert line["model"].startswith("'=HYPERLINK")
    assert "\\|[a\\](http\\://x.y) www\\.x.y" in texts["markdown"]


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=9),
    labels=st.integers(1, 3),
    width=st.integers(20, 120),
)
def test_a_table_wider_than_the_terminal_comes_in_parts(
    lengths: list[int], labels: int, width: int
) -> None:
    labels = min(labels, len(lengths))
    columns = [f"{i}" * length for i, length in enumerate(lengths)]
    table = Table(columns=columns, rows=[columns], notes=["a note"], labels=labels)
    text = markdown(table, width=width)
    heads = [part.splitlines()[0] for part in text.split("\n\n")[:-1]]
    parts = [[word for word in head.split() if word != "|"] for head in heads]
    assert all(part[:labels] == columns[:labels] for part in parts)
    assert [word for part in parts for word in part[labels:]] == columns[labels:]
    whole = zip(heads, parts, strict=True)
    assert all(len(head) <= width or len(part) <= labels + 1 for head, part in whole)
    assert text.endswith("\n\n- a note\n")
    assert markdown(table).count("a note") == text.count("a note") == 1
