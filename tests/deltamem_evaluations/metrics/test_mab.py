"""Matches, films and summaries, worked by hand or against a second implementation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deltamem_evaluations.metrics.mab import (
    SCORERS,
    answer_line,
    contains,
    label_of,
    mentions,
    parsed_line,
)

BOOTSTRAP = 0.03
"""Two bootstraps of 2,000 draws differ by less in the ends of an interval of width 0.5."""


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
    ("text", "line"),
    [
        ("Paris", "Paris"),
        ("Paris \nbecause", "Paris"),
        ("\nParis", ""),
        ("I think.\nAnswer: Paris\nmore", "Paris"),
        ("ANSWER:\n\n Paris", ""),
        ("Answer: answer: Paris", "Paris"),
        ("Answer: Answer: Answer: Paris", "Answer: Paris"),
        ("My answer: A. Answer: B", "A. Answer: B"),
        ("", ""),
        ("Answer:", ""),
    ],
)
def test_the_line_that_the_benchmark_scores(text: str, line: str) -> None:
    assert parsed_line(text) == line


BOTH = [
    ("exact", "50", ["50"], 1, 1),
    ("exact", "label: 50", ["50"], 0, 1),
    ("exact", "Label: 50.", ["50"], 0, 1),
    ("exact", "50.", ["50"], 1, 1),
    ("exact", "Answer: 50\nas above", ["50"], 1, 1),
    ("exact", "50\nas above", ["50"], 1, 1),
    ("exact", "\n50", ["50"], 0, 1),
    ("exact", "It is 50", ["50"], 0, 0),
    ("exact", "label: 50", ["label: 50"], 1, 1),
    ("exact", "150", ["50"], 0, 0),
    ("detective", "B. Cook", ["b cook"], 1, 1),
    ("detective", '{"answer": "B. Cook", "reasoning": "away"}', ["B. Cook"], 0, 1),
    ("detective", '```json\n{"answer": "B. \\"Cook\\""}\n```', ["B. Cook"], 0, 1),
    ("detective", "Answer: B. Cook\nHe was away.", ["A. Butler", "B. Cook"], 1, 1),
    ("detective", "B. Cook did it", ["B. Cook"], 0, 0),
    ("detective", "...", ["!"], 1, 0),
    ("substring", "Catholicism", ["Catholic"], 1, 0),
    ("substring", "the Catholic church", ["Catholic"], 1, 1),
    ("substring", "They say 17", ["7", "16"], 1, 0),
    ("substring", "first line\nthen Thai", ["Thai"], 1, 1),
    ("substring", "France's south", ["France"], 1, 1),
    ("substring", "Paris", ["Rome"], 0, 0),
    ("event", "first line\nthen tea", ["tea"], 0, 0),
    ("event", "\nthen tea", ["tea"], 0, 1),
    ("event", "She made teacups.", ["she made tea"], 1, 0),
    ("event", "Answer: She made tea.", ["she made tea"], 1, 1),
]
METRICS = {
    "exact": ("line_exact_match", "label_exact_match"),
    "detective": ("exact_match", "json_exact_match"),
    "substring": ("substring_em", "substring_em_by_words"),
    "event": ("line_substring_em", "line_substring_em_by_words"),
}
"""The benchmark's and ours."""


@pytest.mark.parametrize(("kind", "text", "references", "theirs", "ours"), BOTH)
def test_the_benchmarks_rule_and_ours(
    kind: str, text: str, references: list[str], theirs: int, ours: int
) -> None:
    """Worked by hand from the rules of the benchmark's scoring script."""
    official, beside = METRICS[kind]
    assert (SCORERS[official](text, references), SCORERS[beside](text, references)) == (
        theirs,
        ours,
    )


@pytest.mark.parametrize(
    ("text", "references", "score"),
    [
        ("They say 17", ["7"], 1.0),
        ("the U.S.A.", ["U S"], 1.0),
        ("USA", ["U.S.A."], 0.0),
        ("anything", ["the"], 0.0),
        ("I don't know", ["know how"], 0.0),
    ],
)
def test_accuracy_is_the_papers(text: str, references: list[str], score: float) -> None:
    """Punctuation parts words, the "a" of "U.S.A." is an article, and nothing is never found."""
    assert SCORERS["accuracy"](text, references) == score


@pytest.mark.parametrize(
    ("metric", "text", "references", "score"),
    [
        ("accuracy_by_words", "They say 17", ["7"], 0.0),
        ("eventqa_recall", "A cat, then DOGS", ["cat", "dog"], 1.0),
        ("eventqa_recall", "A cat", ["cat", "dog"], 0.0),
        ("unjudged_substring_em", "in May 2023", ["May 2023"], 1.0),
        ("unjudged_substring_em", "unionized", ["union"], 1.0),
        ("unjudged_substring_em_by_words", "unionized", ["union"], 0.0),
        ("unjudged_f1", "yes they are", ["yes"], 0.0),
        ("unjudged_paper_f1", "yes they are", ["yes"], 0.5),
        ("unjudged_f1", "red car here", ["red boat", "the red car and boat"], 4 / 7),
        ("unjudged_f1", "Answer: red car\nfor it is long and broad", ["red car"], 1.0),
        ("rougeL_f1", "the cat was on the mat", ["the cat sat on a mat"], 4 / 6),
    ],
)
def test_other_scorers_by_hand(metric: str, text: str, references: list[str], score: float) -> None:
    """F1: {red, car} of {red, car, here} and of {red, car, and, boat}: p 2/3, r 2/4.

    ROUGE-L: "the cat on mat" is common, 4 of 6 on either side.
    """
    assert SCORERS[metric](text, references) == pytest.approx(score)
