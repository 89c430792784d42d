"""Lists of films: read by the benchmark's rule and by ours, matched by distance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltamem_evaluations.metrics.mab_films import Titles, listed, recommended

FILMS = {
    "<http://dbpedia.org/resource/Heat_(1995_film)>": 1,
    "<http://dbpedia.org/resource/Face/Off>": 2,
    "<http://dbpedia.org/resource/Spider-Man_(2002_film)>": 3,
    "12 Angry Men (1957)": 4,
    "Amélie": 5,
    "Seven": 6,
}


@pytest.mark.parametrize(
    ("text", "films"),
    [
        ("1. Heat (1995)\n2. 12 Angry Men\n3) **Amélie**", ["Heat", "12 Angry Men", "Amélie"]),
        ("Sure! Here they are:\n1.Heat\n\n2.Seven\nEnjoy!", ["Heat", "Seven"]),
        ("Heat, Seven,, Amélie", ["Heat", "Seven", "Amélie"]),
        ("Heat\nSeven", ["Heat", "Seven"]),
        ("- 1. Heat\n- 2. 2001: A Space Odyssey", ["Heat", "2001: A Space Odyssey"]),
        ("", []),
    ],
)
def test_lists_of_films(text: str, films: list[str]) -> None:
    assert recommended(text) == films


def edit_distance(one: str, other: str) -> int:
    """Levenshtein's by the textbook."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (a != b))
    return row[-1]


def test_titles_are_cleaned() -> None:
    titles = Titles(FILMS)
    assert [titles.title(i) for i in range(1, 7)] == [
        "Heat",
        "Face/Off",
        "Spider Man",
        "12 Angry Men",
        "Amélie",
        "Seven",
    ]
    assert titles.title(99) is None


@given(st.lists(st.text("aehnstv Sé", max_size=8), max_size=4))
def test_the_nearest_title(names: list[str]) -> None:
    """By a second implementation; of several at one distance the first of the alphabet."""
    lower = sorted(["heat", "face/off", "spider man", "12 angry men", "amélie", "seven"])
    expected = [min(lower, key=lambda t: edit_distance(name.lower(), t)) for name in names]
    assert Titles(FILMS).nearest(names) == expected


def test_ties_do_not_depend_on_the_order_of_the_file() -> None:
    pairs = [("aab", 1), ("aac", 2), ("aad", 3)]
    for order in (pairs, pairs[::-1]):
        assert Titles(dict(order)).nearest(["aax"]) == ["aab"]


@pytest.mark.parametrize(
    ("text", "films"),
    [
        ("1. Heat (1995)\n2. Seven", ["Heat", "Seven"]),
        ("Sure:\n\n1. Heat\n\n2. Seven", ["Heat", "", "Seven"]),
        ("1. **Heat**\n2) Seven\nEnjoy!", ["**Heat**", "Seven", "Enjoy!"]),
        ("1. 12 Angry Men\n2. 2001: A Space Odyssey", ["Angry Men", "2001: A Space Odyssey"]),
        ("11. Heat", ["Heat"]),
        ("Heat, Seven,, Amélie", ["Heat", "Seven", "", "Amélie"]),
        ("3 - Heat\n\nSeven", ["Heat", "", "Seven"]),
        ("", [""]),
    ],
)
def test_lists_by_the_benchmarks_rule(text: str, films: list[str]) -> None:
    """Worked by hand: after the first "1." every line is a film, and numbers are cut off."""
    assert listed(text) == films


@pytest.mark.parametrize(
    ("answer", "references", "theirs", "ours"),
    [
        ("1. heat (1995)\n2. Se7en", ["Heat", "Seven"], (1.0, 0.5, 1.0), (1.0, 0.5, 1.0)),
        (
            "1. Heat\n\n2. Amelie\n\n3. 12 Angry Men\n\n4. Se7en",
            ["Heat", "Seven"],
            (0.5, 0.5, 1.0),
            (1.0, 0.5, 1.0),
        ),
        ("1. **Off**", ["Face/Off"], (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
        ("1. Off", ["Face/Off"], (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
        ("1. Face/Off", ["Face/Off"], (1.0, 1.0, 1.0), (1.0, 1.0, 1.0)),
        ("", ["Amélie"], (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
        ("", ["Face/Off"], (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)),
        ("1. Heat", ["Heat", "Heat", "Seven"], (2 / 3, 2 / 3, 2 / 3), (2 / 3, 2 / 3, 2 / 3)),
    ],
)
def test_recall_by_hand(
    answer: str,
    references: list[str],
    theirs: tuple[float, ...],
    ours: tuple[float, ...],
) -> None:
    """At 5, 1 and 10.

    Blank lines take places, so Se7en is the seventh; "Face/Off" is "Off" to the benchmark, and to
    us "Off" is nearer to "Heat"; no answer is the shortest title, "Off".
    """
    scores = {n: score(answer, references) for n, score in Titles(FILMS).scorers().items()}
    for how, wanted in (("", theirs), ("_by_titles", ours)):
        found = tuple(scores[f"recall@{at}{how}"] for at in (5, 1, 10))
        assert found == pytest.approx(wanted)


def test_asterisks_count_for_the_benchmark() -> None:
    """Four edits make "**Up**" either title, and "coupes" comes first in the alphabet."""
    recalls = Titles({"Up": 1, "Coupes": 2}).scorers()
    assert recalls["recall@1"]("1. **Up**", ["Up"]) == 0.0
    assert recalls["recall@1_by_titles"]("1. **Up**", ["Up"]) == 1.0
