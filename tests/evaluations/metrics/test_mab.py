"""Matches, films and summaries, worked by hand or against a second implementation."""

from __future__ import annotations

import random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluations.metrics.mab import (
    SCORERS,
    Titles,
    answer_line,
    contains,
    label_of,
    macro_average,
    mentions,
    recommended,
)
from evaluations.metrics.statistics import summarise

BOOTSTRAP = 0.03
"""Two bootstraps of 2,000 draws differ by less in the ends of an interval of width 0.5."""

FILMS = {
    "<http://dbpedia.org/resource/Heat_(1995_film)>": 1,
    "<http://dbpedia.org/resource/Face/Off>": 2,
    "<http://dbpedia.org/resource/Spider-Man_(2002_film)>": 3,
    "12 Angry Men (1957)": 4,
    "Amélie": 5,
    "Seven": 6,
}


@pytest.mark.parametrize(
    ("text", "reference", "mentioned", "contained"),
    [
        ("It was 17.", "7", False, True),
        ("It was 7.", "7", True, True),
        ("about 1.7 of them", "7", False, True),
        ("7,000 people", "7", False, True),
        ("at 7:30", "7", False, True),
        ("label: 43", "3", False, True),
        ("the 7th", "7", False, True),
        ("$7", "7", True, True),
        ("1990-1995", "1990", True, True),
        ("unionized", "union", False, True),
        ("A Union member", "the union", True, True),
        ("France's south", "France", True, True),
        ("“France”", "France", True, True),
        ("Paris/London", "Paris", True, True),
        ("the U.S.A. and others", "USA", True, True),
        ("Cafe\u0301 Noir", "Café", True, False),
        ("no", "yes", False, False),
        ("new york city", "York New", False, False),
        ("", "Paris", False, False),
        ("anything", "the", False, True),
        ("The", "the", True, True),
    ],
)
def test_matches(text: str, reference: str, mentioned: bool, contained: bool) -> None:
    assert mentions(text, reference) is mentioned
    assert contains(text, reference) is contained


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_number_is_found_in_no_other(one: int, other: int) -> None:
    for text in (f"{other}", f"label: {other}.", f"It is {other:,} or so", f"{other}.{other}"):
        if one != other and str(one) not in text.split() and one != int(f"{other}{other}"):
            assert not mentions(text, str(one))
    assert mentions(f"It is {one:,}.", str(one))


@given(st.text(max_size=40), st.text(max_size=40), st.text("ab 7x", min_size=1, max_size=10))
def test_what_stands_apart_is_found(before: str, after: str, reference: str) -> None:
    assert mentions(reference, reference)
    if reference.split() and reference.split() != ["a"] * len(reference.split()):
        assert mentions(f"{before} {reference} {after}", reference)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("Paris", "Paris"),
        ("\n\n Paris \nbecause", "Paris"),
        ("I think.\nAnswer: Paris\nmore", "Paris"),
        ("ANSWER:\n\n Paris", "Paris"),
        ("Answer: answer: Paris", "Paris"),
        ("", ""),
        ("Answer:", "Answer:"),
    ],
)
def test_the_line_of_the_answer(text: str, line: str) -> None:
    assert answer_line(text) == line


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("label: 43", "43"),
        ("Label 43\nlabel: 5", "43"),
        ("43", "43"),
        ("**label:** 43", "43"),
        ("", ""),
    ],
)
def test_labels(text: str, label: str) -> None:
    assert label_of(text) == label


@pytest.mark.parametrize(
    ("metric", "text", "references", "score"),
    [
        ("label_exact_match", "label: 43", ["43"], 1.0),
        ("label_exact_match", "43.", ["43"], 1.0),
        ("label_exact_match", "label: 43", ["label: 43"], 1.0),
        ("label_exact_match", "label: 43", ["3"], 0.0),
        ("label_exact_match", "It is 43", ["43"], 0.0),
        ("exact_match", "B. The butler", ["b the butler."], 1.0),
        ("exact_match", '{"answer": "B. The \\"butler\\"", "why": "x"}', ["B. The butler"], 1.0),
        (
            "exact_match",
            "Answer: B. The butler\nas he was there",
            ["A. Nobody", "B. The butler"],
            1,
        ),
        ("exact_match", "B. The butler did it", ["B. The butler"], 0.0),
        ("exact_match", "...", ["!"], 0.0),
        ("substring_em", "They say 17", ["7", "16"], 0.0),
        ("substring_em_by_characters", "They say 17", ["7"], 1.0),
        ("substring_em", "first line\nthen Thai", ["Thai"], 1.0),
        ("line_substring_em", "first line\nthen Thai", ["Thai"], 0.0),
        ("line_substring_em", "He ran away. So", ["he ran away"], 1.0),
        ("accuracy", "I don't know", ["know how"], 0.0),
        ("unjudged_substring_em", "in May 2023", ["May 2023"], 1.0),
        ("unjudged_f1", "yes they are", ["yes"], 0.0),
        ("unjudged_paper_f1", "yes they are", ["yes"], 0.5),
        ("unjudged_f1", "red car here", ["red boat", "the red car and boat"], 4 / 7),
        ("rougeL_f1", "the cat was on the mat", ["the cat sat on a mat"], 4 / 6),
    ],
)
def test_scorers_by_hand(metric: str, text: str, references: list[str], score: float) -> None:
    """F1: {red, car} of {red, car, here} and of {red, car, and, boat}: p 2/3, r 2/4.

    ROUGE-L: "the cat on mat" is common, 4 of 6 on either side.
    """
    assert SCORERS[metric](text, references) == pytest.approx(score)


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


def test_recall_by_hand() -> None:
    """Wanted: Heat and Seven. Heat is first, Seven ("Se7en") sixth."""
    recalls = Titles(FILMS).scorers()
    answer = "1. heat (1995)\n" + "".join(f"{n}. Amelie\n" for n in range(2, 6)) + "6. Se7en"
    scores = {name: score(answer, ["Heat", "Seven"]) for name, score in recalls.items()}
    assert scores == {"recall@1": 0.5, "recall@5": 0.5, "recall@10": 1.0}
    assert recalls["recall@5"]("", ["Heat"]) == 0.0


def test_the_macro_average() -> None:
    """Group means 1 and 1/3 average to 2/3, whatever their sizes; one cluster in b: questions."""
    scores = [(1.0, "h1", "a"), (0.0, "h2", "b"), (0.0, "h2", "b"), (1.0, "h2", "b")]
    metric = macro_average(scores)
    assert metric.mean == pytest.approx(2 / 3)
    assert (metric.n, metric.clusters, metric.resampled) == (4, 2, "questions")
    assert metric.groups["b"]["mean"] == pytest.approx(1 / 3)
    two = macro_average([*scores, (1.0, "h3", "a"), (1.0, "h4", "b")])
    assert two.resampled == "histories"


def test_one_group_is_the_plain_mean() -> None:
    rng = random.Random(0)
    scores = [(float(rng.random() < 0.4), f"h{i % 7}", "a") for i in range(60)]
    macro, plain = macro_average(scores), summarise([(s, h, (g,)) for s, h, g in scores])
    assert (macro.mean, macro.ci95) == (plain.mean, plain.ci95)


def test_the_interval_against_a_bootstrap_in_a_loop() -> None:
    rng = random.Random(1)
    scores = [
        (float(rng.random() < level), f"{group}{i % size}", group)
        for group, size, level in (("a", 6, 0.3), ("b", 4, 0.8))
        for i in range(5 * size)
    ]
    means = []
    for _ in range(2000):
        drawn = []
        for group in "ab":
            inside: dict[str, list[float]] = {}
            for score, cluster, of in scores:
                if of == group:
                    inside.setdefault(cluster, []).append(score)
            picked = rng.choices(list(inside), k=len(inside))
            drawn.append(mean(value for cluster in picked for value in inside[cluster]))
        means.append(mean(drawn))
    means.sort()
    low, high = macro_average(scores).ci95
    assert low == pytest.approx(means[50], abs=BOOTSTRAP)
    assert high == pytest.approx(means[1949], abs=BOOTSTRAP)
