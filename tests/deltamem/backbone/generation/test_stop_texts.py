"""Stop texts in pieces of an answer, wherever the pieces are cut."""

from __future__ import annotations

from itertools import product

import pytest

from deltamem.backbone import StopTexts


def wanted(text: str, stops: tuple[str, ...]) -> str:
    """The answer as it ends, from its whole text."""
    ends = [text.find(stop) for stop in stops if stop in text]
    return (text[: min(ends)] if ends else text).rstrip()


@pytest.mark.parametrize("stops", [(), ("ab",), ("aab", "ba"), ("b ", " a"), ("abab", "bb")])
def test_every_text_in_every_cut(stops: tuple[str, ...]) -> None:
    for letters in product("ab ", repeat=5):
        text = "".join(letters)
        for size in range(1, 6):
            told: list[str] = []
            until = StopTexts(stops, told.append)
            for start in range(0, len(text), size):
                until.push(text[start : start + size])
            until.close()
            assert "".join(told) == until.passed == wanted(text, stops), (text, size)
            assert until.met == any(stop in text for stop in stops)


def test_what_cannot_be_a_beginning_goes_through_at_once() -> None:
    told: list[str] = []
    until = StopTexts(["STOP"], told.append)
    for piece in ("One S", "T", "EP ST", "OP more"):
        until.push(piece)
    assert told == ["One", " STEP"]
