"""No text that came from a file steers a terminal, and none of it is lost."""

from __future__ import annotations

import json
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from deltamem_base.printable import printable

TURNING = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"


def test_escapes_are_shown() -> None:
    assert printable("\x1b[2J\x07ann\r\x9b31m\u202e") == (
        r"\u001b[2J\u0007ann\u000d\u009b31m\u202e"
    )
    assert printable("Zoë\tsaid 👩‍👧:\n→ δ") == "Zoë\tsaid 👩‍👧:\n→ δ"


@given(st.text(st.characters(exclude_categories=())))
def test_nothing_that_steers_is_left(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(char) in ("Cs", "Zl", "Zp") for char in shown)
    assert {char for char in shown if unicodedata.category(char) == "Cc"} <= {"\n", "\t"}
    assert not set(shown) & set(TURNING)


@given(st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_json_means_the_same(content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=2)
    assert json.loads(printable(text)) == content
