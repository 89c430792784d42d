"""The page: whole in one file, everything escaped, and nothing shown that is confidential."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from simulated_runs import simulate

from deltamem_base.faults import InvalidData
from deltamem_evaluations.figures.inline_svg import INK, inline_svg
from deltamem_evaluations.figures.plots import LEGEND, draw_all
from deltamem_evaluations.reporting import Cell, SampleReader, StoredRecord, attribute, make_report
from deltamem_evaluations.reporting.as_html import html_page
from deltamem_evaluations.reporting.flips import MOST, WITHHELD, flip_pairs
from deltamem_evaluations.reporting.memory_maps import write_turns

HOSTILE = '<script>alert("δ")</script>'
SECRET = "a secret question"
VOID = {"meta", "input", "br"}


class Page(HTMLParser):
    """What a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words: list[str] = []
        self.numbers: list[float] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.numbers += [float(v) for k, v in attrs if k == "data-value" and v is not None]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def runs(folder: Path, *, secret: bool = False) -> list[StoredRecord]:
    rng = np.random.default_rng(0)
    before = SECRET if secret else "<i>&amp; $x$"
    found = []
    for method, control, rate in (
        ("frozen", "none", 0.2),
        ("delta_mem", "none", 0.8),
        ("delta_mem", "foreign", 0.3),
        ("delta_mem", "zero", 0.2),
    ):
        scores = [(rng.random(3) < rate).astype(float).tolist() for _ in range(40)]
        found.append(
            simulate(
                folder,
                scores,
                method=method,
                control=control,
                model="tiny" if secret else HOSTILE,
                groups=("facts/1", "facts/2", "facts/4"),
                secret=secret,
                before=before,
            )
        )
    return found


def page_of(stored: list[StoredRecord]) -> str:
    reader = SampleReader()
    parts = attribute(stored, reader=reader)
    report = make_report(stored, paper=None, reader=reader, attributions=parts)
    return html_page(report, attributions=parts, reader=reader)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> list[StoredRecord]:
    return runs(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def text(hostile: list[StoredRecord]) -> str:
    return page_of(hostile)


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_it_parses_and_every_element_is_closed(page: Page) -> None:
    assert page.open == []
    assert {"table", "thead", "th", "svg", "details", "summary", "fieldset"} <= set(page.tags)
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_it_loads_nothing(page: Page, text: str) -> None:
    assert "http" not in text
    assert "@import" not in text
    for name, value in page.attributes:
        assert name not in ("src", "srcset", "action", "xlink:href")
        assert not name.startswith("on")
        if name == "href":
            assert value is not None
            assert value.startswith("#")
            assert ("id", value[1:]) in page.attributes
    assert not re.search(r"url\((?!#)", text)


def test_what_records_say_is_text(page: Page, text: str) -> None:
    assert page.tags.count("script") == 1
    assert HOSTILE not in text
    assert any(HOSTILE in words for words in page.words)
    assert any("<i>&amp; $x$" in words for words in page.words)
    assert "i" not in page.tags


def test_its_numbers_are_those_of_the_report(page: Page, hostile: list[StoredRecord]) -> None:
    report = make_report(hostile, paper=None, reader=SampleReader())
    cells = [c for t in report.tables for row in t.rows for c in row]
    wanted = [c.estimate for c in cells if isinstance(c, Cell) and c.estimate is not None]
    assert page.numbers == [estimate.value for estimate in wanted]
    shown = "".join(page.words)
    assert all(estimate.text in shown for estimate in wanted)
    assert not re.search(r"\b(nan|inf)\b", shown, re.IGNORECASE)


def test_headers_say_what_they_head(text: str) -> None:
    assert text.count("<th scope=") == text.count("<th") - text.count("<thead")
    assert re.search(r"<svg role=\"img\" aria-label=\"[^\"]+\"", text)
    assert 'lang="en"' in text
    assert "prefers-color-scheme: dark" in text


def test_flips_are_those_of_the_scores(hostile: list[StoredRecord]) -> None:
    reader = SampleReader()
    pairs = flip_pairs(hostile, attribute(hostile, reader=reader), reader=reader)
    assert [pair.what for pair in pairs] == [
        "the bare backbone → with memory",
        "foreign state → own state",
    ]
    assert pairs[0].who == f"{HOSTILE} delta_mem tsw none"
    scores = [reader.scores(run) or {} for run in hostile]
    fixed = sum(scores[1][n][1] > scores[0][n][1] for n in scores[0])
    broken = sum(scores[1][n][1] < scores[0][n][1] for n in scores[0])
    assert (pairs[0].fixed, pairs[0].broken, pairs[0].total) == (fixed, broken, 120)
    assert [f.effect > 0 for f in pairs[0].shown] == [True] * min(fixed, MOST) + [False] * broken


def test_a_method_without_an_adapter_stands_beside_the_bare_backbone(tmp_path: Path) -> None:
    runs_of = [("frozen", "visible", 0.0), ("frozen", "none", 1.0), ("bm25_rag", "part", 1.0)]
    stored = [
        simulate(tmp_path, [[score]] * 3, method=method, context=context)
        for method, context, score in runs_of
    ]
    (pair,) = flip_pairs(stored, [], reader=SampleReader())
    assert (pair.a, pair.b) == (stored[0].record.cell, stored[2].record.cell)
    assert (pair.fixed, pair.broken) == (3, 0)


def test_what_a_row_is_stands_in_one_cell_that_stays(text: str) -> None:
    head, *rows = re.findall(r"<tr.*?</tr>", text.split('<section id="attribution">')[1], re.S)
    assert head.count('class="label"') == 5
    stacked = re.search(r'<th scope="row" class="label">(.*?)</th>', rows[0], re.S)
    assert stacked is not None
    labels = re.findall(r"<small>(.*?) <b>(.*?)</b></small>", stacked[1])
    assert labels == [
        ("method", "delta_mem tsw"),
        ("context", "none"),
        ("benchmark", "drawn em"),
        ("against a state that is", "foreign"),
    ]


def test_flips_can_be_searched_filtered_and_linked(text: str, page: Page) -> None:
    flips = re.findall(r'<article class="flip .*? id="(flip-\w+)" data-groups="(.*?)">', text)
    assert len(flips) > 100
    assert all(("href", f"#{name}") in page.attributes for name, _ in flips)
    options = dict(re.findall(r'<option value="(\d)">(.*?)</option>', text))
    assert list(options.values()) == ["facts/1", "facts/2", "facts/4"]
    assert {options[groups.strip()] for _, groups in flips} == set(options.values())
    assert ("type", "search") in page.attributes


def test_a_link_to_a_flip_outlasts_the_page(hostile: list[StoredRecord], text: str) -> None:
    fewer = page_of([run for run in hostile if run.record.control != "zero"])
    assert re.findall(r'id="(flip-\w+)"', fewer) == re.findall(r'id="(flip-\w+)"', text)


def test_curves_share_one_legend(hostile: list[StoredRecord]) -> None:
    drawings = draw_all(hostile, [])
    legends = [d for d in drawings if d.title == LEGEND]
    curves = [d for d in drawings if "by number" in d.title or "quality" in d.title]
    assert [d.section for d in legends] == ["scores", "costs"]
    assert [d.section for d in curves] == ["scores", "costs"]
    assert "delta_mem tsw, context none, control zero" in legends[0].svg
    assert not any("delta_mem" in d.svg for d in curves)


def test_confidential_questions_are_never_shown(tmp_path: Path) -> None:
    stored = runs(tmp_path, secret=True)
    reader = SampleReader()
    pairs = flip_pairs(stored, attribute(stored, reader=reader), reader=reader)
    assert pairs[0].shown
    assert {flip.question for pair in pairs for flip in pair.shown} == {WITHHELD}
    text = page_of(stored)
    assert SECRET not in text
    assert "[withheld" in text


def test_records_without_samples_still_make_a_page(tmp_path: Path) -> None:
    stored = runs(tmp_path)
    for run in stored:
        run.file.with_name("samples.jsonl").unlink()
    text = page_of(stored)
    assert Page(text).open == []
    assert "are not on this machine" in text
    assert 'id="flips"' not in text


def test_a_heat_map_beside_a_run_is_shown(tmp_path: Path) -> None:
    stored = runs(tmp_path)
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path id="a" d="M0 0h9"/></svg>'
    )
    stored[1].file.with_name("memory__a.svg").write_text(drawn, encoding="utf-8")
    write_turns([HOSTILE, "a second turn"], path=stored[1].file.with_name("memory__a"))
    stored[2].file.with_name("memory__a.svg").write_text("<svg", encoding="utf-8")
    text = page_of(stored)
    assert 'id="maps"' in text
    assert '<path id="m1-a" d="M0 0h9">' in text
    assert "<li>a second turn</li></ol>" in text
    assert HOSTILE not in text
    assert "memory__a.svg is not shown" in text


def test_turns_that_are_none_are_not_shown(tmp_path: Path) -> None:
    stored = runs(tmp_path)
    stored[1].file.with_name("memory__a.svg").write_text("<svg/>", encoding="utf-8")
    stored[1].file.with_name("memory__a.turns.json").write_text('{"texts": [1]}', encoding="utf-8")
    text = page_of(stored)
    assert 'id="maps"' not in text
    assert "memory__a.svg is not shown: " in text


def test_an_svg_brings_no_script_and_no_link() -> None:
    drawn = f"""<?xml version="1.0"?>
    <svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
         width="9pt" height="9pt" viewBox="0 0 9 9" onload="alert(1)">
      <style>* {{ fill: url(http://evil) }}</style><script>alert(1)</script>
      <foreignObject><body/></foreignObject><!-- note -->
      <a href="http://evil"><text>in a link</text></a>
      <defs><path id="m" d="M0 0" style="stroke: {INK}; font: 10px 'DejaVu Sans'"/></defs>
      <use xlink:href="#m" clip-path="url(#m)" onclick="x"/>
      <use xlink:href="http://evil/x"/><rect fill="url(http://evil)"/>
      <image href="data:image/png;base64,AAAA"/><text>a &lt; b</text>
    </svg>"""
    found = inline_svg(drawn, prefix="p-", label='"what"')
    for word in ("http", "alert", "onload", "onclick", "<style", "<script", "foreignObject", "<a"):
        assert word not in found
    assert 'aria-label="&quot;what&quot;"' in found
    assert '<use href="#p-m" clip-path="url(#p-m)">' in found
    assert "stroke: currentColor" in found
    assert "Verdana" in found
    assert "<text>a &lt; b</text>" in found
    assert 'href="data:image/png' in found
    assert "width=" not in found


@pytest.mark.parametrize("text", ["", "<svg", "<html/>"])
def test_what_is_no_svg_is_refused(text: str) -> None:
    with pytest.raises(InvalidData, match="the figure 'x' is not an SVG"):
        inline_svg(text, prefix="", label="x")
