"""``deltamem report``: real records in every format, and one sentence for whatever is wrong."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SMALL = ("bench.dialogues=1", "bench.facts=[1,2]", "-q")
OWN = ("adapter=${model.adapters.msw}", "writer=msw", "context=none")


@pytest.fixture
def records(cli: Callable[..., Any]) -> None:
    """Three runs whose gain can be taken apart."""
    for words in (("method=frozen", "context=none"), OWN, (*OWN, "control=foreign")):
        done = cli("eval", *SMALL, *words)
        assert done.code == 0, done.err


@pytest.mark.usefixtures("records")
def test_every_format_from_real_records(cli: Callable[..., Any]) -> None:
    done = cli("report")
    assert done.code == 0, done.err
    assert "## Attribution: is it memory?" in done.out
    # zero was not run: the command that is missing makes it
    command = next(line for line in done.out.splitlines() if "missing: deltamem eval" in line)
    assert "'adapter=${model.adapters.msw}'" in command
    assert "'bench.facts=[1,2]' bench.dialogues=1" in command
    done = cli("report", "--format", "csv")
    lines = list(csv.DictReader(done.out.splitlines()))
    assert {line["control"] for line in lines} == {"none", "foreign"}
    assert cli("report", "--out", "deep/table.tex").code == 0
    assert "\\toprule" in Path("deep/table.tex").read_text(encoding="utf-8")
    done = cli("report", "--out", "page.html", "--json")
    assert len(json.loads(done.out)["rows"]) == 3
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "fixed" in page
    content = json.loads(cli("report", "--format", "json").out)
    assert content == json.loads(Path("results/report.json").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("records")
def test_the_missing_command_completes_the_row(cli: Callable[..., Any]) -> None:
    import shlex

    line = next(line for line in cli("report").out.splitlines() if "missing: deltamem eval" in line)
    words = shlex.split(line.partition("deltamem eval ")[2])
    assert cli("eval", *words, "-q").code == 0
    assert "missing:" not in cli("report").out


@pytest.mark.usefixtures("records")
def test_records_alone_say_what_they_lack(cli: Callable[..., Any]) -> None:
    shutil.rmtree("runs")
    done = cli("report")
    assert done.code == 0
    assert "are not on this machine" in done.out
    assert cli("report", "--format", "html").code == 0


def test_what_cannot_be_reported(cli: Callable[..., Any], in_folder: Path) -> None:
    assert "no complete record in results" in cli("report").err
    assert "nowhere is not a folder" in cli("report", "nowhere").err
    done = cli("report", "--format", "word")
    assert done.code == 2
    assert "choose one of markdown, latex, csv, json, html" in done.err
    done = cli("report", "--out", "report.doc")
    assert done.code == 2
    assert "does not say its format" in done.err
    done = cli("report", "--format", "csv", "--out", "page.html")
    assert (done.code, done.err) == (
        2,
        "error: --format is csv, but page.html has the suffix of html\n",
    )
