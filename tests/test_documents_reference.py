"""The reference is what the code says today, and every setting in it has a sentence."""

from __future__ import annotations

import re
import runpy
from functools import cache

from conftest import ROOT

WITHOUT_SENTENCE = re.compile(r"^\| `[^|]*\|[^|]*\|[^|]*\|\s*\|$", re.MULTILINE)


@cache
def pages() -> dict[str, str]:
    return dict(runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]())


def test_the_reference_is_what_the_code_says() -> None:
    folder = ROOT / "docs" / "reference"
    stored = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    # python docs/generate.py writes it again
    assert stored == pages()


def test_every_setting_has_a_sentence() -> None:
    assert WITHOUT_SENTENCE.search("| `a` | `1` | number |  |")
    assert {name: WITHOUT_SENTENCE.findall(text) for name, text in pages().items()} == {
        name: [] for name in pages()
    }


def test_the_printed_numbers_are_those_of_their_file() -> None:
    script = runpy.run_path(str(ROOT / "docs" / "printed_numbers.py"))
    # python docs/printed_numbers.py writes it again
    assert script["FILE"].read_text(encoding="utf-8") == script["page"]()
