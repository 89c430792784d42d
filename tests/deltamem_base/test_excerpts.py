"""Long texts keep their limits when they are made short."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deltamem_base.excerpts import in_a_line, without_middle


@given(st.text(max_size=80), st.integers(1, 40))
def test_a_line_is_one_line_of_its_length(text: str, longest: int) -> None:
    line = in_a_line(text, longest=longest)
    assert len(line) <= longest
    assert len(line.splitlines()) <= 1
    whole = in_a_line(text)
    assert whole == " ".join(text.split())
    assert line == whole if len(whole) <= longest else whole.startswith(line.removesuffix("…"))


def test_both_ends_are_kept_and_the_rest_is_counted() -> None:
    assert without_middle("abcdef", longest=6) == "abcdef"
    assert without_middle("abcdefgh", longest=4) == "ab [... 4 characters ...] gh"
