"""Sentences are found once, for writers, chunks and pieces alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltamem_base.sentences import sentence_ends, skip_space, tiling_sentences

TEXTS = st.text(alphabet="ab .!?\n\t\"')]”。！", max_size=60)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One. Two!  Three", ["One. ", "Two!  ", "Three"]),
        ('He said "no." Then he left.', ['He said "no." ', "Then he left."]),
        ("She said “no.” Then", ["She said “no.” ", "Then"]),
        ("3.14 is pi... is it?! Yes", ["3.14 is pi... ", "is it?! ", "Yes"]),
        ("title\n\n  text", ["title\n\n", "  text"]),
        ("一。二！ 三", ["一。", "二！ ", "三"]),
        ("", []),
        ("\n", ["\n"]),
    ],
)
def test_where_sentences_are_cut(text: str, wanted: list[str]) -> None:
    assert [text[start:end] for start, end in tiling_sentences(text)] == wanted


@given(TEXTS)
def test_sentences_tile_a_text(text: str) -> None:
    parts = [text[start:end] for start, end in tiling_sentences(text)]
    assert "".join(parts) == text
    assert all(parts)


@given(TEXTS)
def test_ends_ascend_and_no_word_is_cut(text: str) -> None:
    ends = list(sentence_ends(text))
    assert ends == sorted(ends)
    for words, after in ends:
        assert set(text[words:after]) <= {"\n"}
        assert text[after - 1] in ".!?\"')]”。！\n"


def test_a_part_of_a_text() -> None:
    assert list(sentence_ends("a. b. c. d", 3, 8)) == [(5, 5)]
    assert skip_space("a \n b", 1) == 4
    assert skip_space("a ", 1) == 2
