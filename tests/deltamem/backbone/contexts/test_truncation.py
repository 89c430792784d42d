"""Cuts: what stays, on which side, and that it is as much as fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deltamem import InvalidInput
from deltamem.backbone import fit_messages
from deltamem.backbone.contexts.truncation import MARKER, clip_text
from deltamem.backbone.contexts.windows import split_windows


@dataclass(frozen=True)
class Cut:
    side: str
    max_chars: int | None = None


def count(messages: Any) -> int:
    """A tokenizer with one token per character and five per message."""
    return sum(len(m["content"]) + 5 for m in messages)


def talk(*contents: str, system: bool = True) -> list[dict[str, str]]:
    head = [{"role": "system", "content": "sys"}] if system else []
    return [*head, *({"role": "user", "content": c} for c in contents)]


def contents(messages: Any) -> list[str]:
    return [m["content"] for m in messages]


def test_what_fits_stays() -> None:
    messages = talk("a" * 10, "b" * 10)
    assert fit_messages(messages, cut=Cut("start"), budget=38, count=count) == messages


@pytest.mark.parametrize(
    ("side", "kept"),
    [("start", ["sys", "b" * 10, "c" * 10]), ("end", ["sys", "a" * 10, "b" * 10])],
)
def test_whole_messages_go_from_a_side(side: str, kept: list[str]) -> None:
    messages = talk("a" * 10, "b" * 10, "c" * 10)
    assert contents(fit_messages(messages, cut=Cut(side), budget=40, count=count)) == kept


def test_the_middle_goes() -> None:
    messages = talk(*(letter * 10 for letter in "abcdef"))
    kept = contents(fit_messages(messages, cut=Cut("middle"), budget=55, count=count))
    assert kept == ["sys", "a" * 10, "e" * 10, "f" * 10]


def test_one_long_message_is_clipped() -> None:
    messages = talk("x" * 40 + "y" * 40, system=False)
    assert contents(fit_messages(messages, cut=Cut("start"), budget=25, count=count)) == ["y" * 20]
    assert contents(fit_messages(messages, cut=Cut("end"), budget=25, count=count)) == ["x" * 20]
    (kept,) = contents(fit_messages(messages, cut=Cut("middle"), budget=45, count=count))
    assert kept.startswith("x" * 10)
    assert kept.endswith("y" * 20)
    assert MARKER in kept


def test_a_limit_in_characters_comes_first() -> None:
    messages = talk("a" * 10, "b" * 10)
    kept = fit_messages(messages, cut=Cut("start", max_chars=15), budget=1000, count=count)
    assert contents(kept) == ["sys", "b" * 10]


def test_instructions_that_do_not_fit() -> None:
    with pytest.raises(InvalidInput, match="instructions alone have 8 tokens"):
        fit_messages(talk("a"), cut=Cut("start"), budget=7, count=count)


@settings(max_examples=100)
@given(
    lengths=st.lists(st.integers(0, 30), max_size=6),
    budget=st.integers(8, 120),
    side=st.sampled_from(["start", "end", "middle"]),
)
def test_never_too_long(lengths: list[int], budget: int, side: str) -> None:
    messages = talk(*("m" * length for length in lengths))
    kept = fit_messages(messages, cut=Cut(side), budget=budget, count=count)
    assert count(kept) <= budget
    if count(messages) <= budget:
        assert kept == messages


@settings(max_examples=100)
@given(
    text=st.text(max_size=80),
    chars=st.integers(0, 90),
    side=st.sampled_from(["start", "end", "middle"]),
)
def test_clipping(text: str, chars: int, side: str) -> None:
    clipped = clip_text(text, chars, side)
    assert len(clipped) <= max(chars, 0)
    if len(text) <= chars:
        assert clipped == text


@settings(max_examples=100)
@given(runs=st.lists(st.integers(1, 12), max_size=10), window=st.integers(1, 15))
def test_windows_cover_everything_once(runs: list[int], window: int) -> None:
    segments = [i for i, size in enumerate(runs) for _ in range(size)]
    for given_segments in (None, segments):
        slices = split_windows(len(segments), window, segments=given_segments)
        covered = [i for s in slices for i in range(s.start, s.stop)]
        assert covered == list(range(len(segments)))
        assert all(0 < s.stop - s.start <= window for s in slices)
    cuts = {s.start for s in slices}
    for i, size in enumerate(runs):
        inside = set(range(sum(runs[:i]) + 1, sum(runs[: i + 1])))
        assert size > window or not cuts & inside


def test_a_window_holds_something() -> None:
    with pytest.raises(InvalidInput, match="window of 0 tokens"):
        split_windows(5, 0)
