"""LoCoMo's category 5 by hand, under both protocols."""

from __future__ import annotations

import pytest

from deltamem_evaluations.metrics.not_told import NOT_TOLD, not_told

SECOND = {"a": "a blue kite", "b": NOT_TOLD}
FIRST = {"a": NOT_TOLD, "b": "a blue kite"}


@pytest.mark.parametrize("options", [FIRST, SECOND], ids=["first", "second"])
@pytest.mark.parametrize("protocol", ["benchmark", "paper"])
@pytest.mark.parametrize(
    "form",
    [
        "({x})",
        "{x}",
        "{x})",
        "**({x})**",
        "Option ({x})",
        "Answer: ({x})",
        "The answer is ({x}).",
        "({x}) {words}",
        "I choose ({x}) {words}.",
    ],
)
def test_a_letter_stands_for_its_option(form: str, protocol: str, options: dict[str, str]) -> None:
    """Also where its own words would say otherwise, and in capitals."""
    for letter, words in options.items():
        for text in (form.format(x=letter, words=words), form.format(x=letter.upper(), words="")):
            assert not_told(text, options, protocol=protocol) is (words == NOT_TOLD), text


@pytest.mark.parametrize(
    ("line", "benchmark", "paper"),
    [
        ("No information available", True, True),
        ("That is not mentioned.", True, True),
        ("a blue kite", False, False),
        ("A blue kite", False, False),
        ("A a blue kite", False, False),
        ("b blue kite", False, False),
        ("Both", False, False),
        ("apple", False, False),
        ("7", False, False),
        ("Max", False, False),
        ("", False, False),
        ("(a) No information available", False, False),
        ("(a) or (b)", False, False),
        ("a) no information available", True, False),
        ("b) a blue kite", False, True),
    ],
)
def test_words_decide_where_no_letter_is_named(line: str, benchmark: bool, paper: bool) -> None:
    """The right option is (b); where both are named LoCoMo and the authors take (a)."""
    assert not_told(line, SECOND) is benchmark
    assert not_told(line, SECOND, protocol="paper") is paper
