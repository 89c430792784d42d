"""The generated chats: what they say, what is asked of them, and that splits keep to themselves."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from deltamem_base.faults import InvalidInput
from deltamem_evaluations.benchmarks.facts import Facts, fact_dialogue
from deltamem_evaluations.benchmarks.facts.attributes import ATTRIBUTES
from deltamem_evaluations.benchmarks.facts.dialogues import MOST_STATEMENTS, new_statement
from deltamem_evaluations.benchmarks.facts.people import (
    ACKNOWLEDGEMENTS,
    NAMES,
    SMALL_TALK,
    UNSEEN_NAMES,
)
from deltamem_evaluations.generated import KINDS

PEOPLE = {*NAMES, *UNSEEN_NAMES}
OWNER = {value: attribute.name for attribute in ATTRIBUTES for value in attribute.values}
ABOUT = {
    "home": "live home",
    "birthplace": "born grow",
    "job": "job living",
    "instrument": "learning",
    "sport": "sport",
    "food": "food eat",
    "drink": "drink",
    "colour": "colour",
    "animal": "animal",
    "car": "drive car",
    "allergy": "allergic allergy",
    "pet": "pet",
    "music": "listen",
    "language": "speak",
    "subject": "study",
    "collection": "collect collection",
}
"""Words by which a reader knows what a question is about."""
LARGEST_CHI_SQUARE = {4: 16.27, 8: 24.32}
"""Places -> what one in a thousand uniform samples exceeds (degrees of freedom: one less)."""
CONTENT = "58cbc1b85ae50c44aee9f8f18cbd5c8be29c93378cd7150be52bda236df27408"
"""Digest of the default chats, as every machine has to make them."""


@pytest.fixture(scope="module")
def facts() -> Facts:
    benchmark = Facts(dialogues=6)
    benchmark.load()
    return benchmark


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def statements_of(messages: Any) -> list[str]:
    """What users said of people: small talk names nobody."""
    said = [m["content"] for m in messages if m["role"] == "user"]
    return [text for text in said if PEOPLE & set(words(text))]


def friends_in(text: str) -> tuple[str, str] | None:
    names = [word for word in words(text) if word in PEOPLE]
    if len(names) < 2:
        return None
    return (names[1], names[0]) if "is the best friend of" in text else (names[0], names[1])


def answer_by_reading(messages: Any, question: str) -> str:
    """A reader's algorithm: keep what was said last, follow the friend if asked to."""
    has: dict[tuple[str, str], str] = {}
    friend: dict[str, str] = {}
    for text in statements_of(messages):
        pair = friends_in(text)
        if pair:
            friend[pair[0]] = pair[1]
            continue
        (name,) = [word for word in words(text) if word in PEOPLE]
        (value,) = [word for word in words(text) if word in OWNER]
        has[name, OWNER[value]] = value
    (name,) = [word for word in words(question) if word in PEOPLE]
    (about,) = [a for a, known in ABOUT.items() if set(known.split()) & set(words(question))]
    return has[friend[name] if "best friend" in question else name, about]


def test_every_question_can_be_answered_by_reading(facts: Facts) -> None:
    for sample in facts.samples():
        messages = facts.history(sample.history_id).messages
        assert (answer_by_reading(messages, sample.question),) == sample.references


@pytest.mark.parametrize("kind", KINDS)
def test_every_statement_can_be_asked_about(kind: str) -> None:
    for seed in range(200):
        rng = random.Random(seed)
        made = fact_dialogue(rng, kind, rng.randint(2, MOST_STATEMENTS))
        for question in made.questions:
            assert answer_by_reading(made.messages, question.text) == question.answer
            assert question.answer in words(statements_of(made.messages)[question.position - 1])
        assert sum(question.kind == kind for question in made.questions) >= 1


def test_sizes_and_groups(facts: Facts) -> None:
    for sample in facts.samples():
        kind, sized, seen, attribute, *single = sample.groups
        messages = facts.history(sample.history_id).messages
        said = statements_of(messages)
        assert sized == f"{kind}/{len(said)}"
        assert PEOPLE & set(words(" ".join(said))) <= set(
            UNSEEN_NAMES if seen == "unseen" else NAMES
        )
        assert [m["role"] for m in messages] == ["user", "assistant"] * (len(messages) // 2)
        assert OWNER[sample.references[0]] == attribute == sample.attribute
        if kind == "single_hop":
            (number,) = [i for i, text in enumerate(said, 1) if sample.references[0] in words(text)]
            of = sum(OWNER.get(word) == attribute for text in said for word in words(text))
            several = "said of several" if of > 1 else "said of one"
            assert single == [several, f"position {number} of {len(said)}"]
        else:
            assert single == []
    groups = {group for sample in facts.samples() for group in sample.groups}
    assert groups >= {
        *KINDS,
        "said of one",
        "said of several",
        "single_hop/12",
        "two_hop/2",
        "update/8",
        "seen",
        "unseen",
        "home",
    }


def test_an_update_comes_after_what_it_replaces() -> None:
    for seed in range(100):
        made = fact_dialogue(random.Random(seed), "update", 4)
        (update,) = [q for q in made.questions if q.kind == "update"]
        (name,) = [word for word in words(update.text) if word in PEOPLE]
        said = [
            value
            for text in statements_of(made.messages)
            for value in words(text)
            if name in words(text) and OWNER.get(value) == update.attribute
        ]
        assert len(set(said)) == len(said) == 2
        assert said[1] == update.answer


def test_neither_name_nor_attribute_alone_tells_every_value() -> None:
    """Where an attribute leaves several values the name tells which, and the other way round."""
    by_attribute, by_name, number = 0, 0, 300
    for seed in range(number):
        made = fact_dialogue(random.Random(seed), "single_hop", 4)
        asked = made.questions[0]
        (name,) = [word for word in words(asked.text) if word in PEOPLE]
        several = sum(q.attribute == asked.attribute for q in made.questions) > 1
        assert asked.shared == several
        by_attribute += several
        by_name += sum(name in words(text) for text in statements_of(made.messages)) > 1
    assert 1 / 8 < by_attribute / number < 1 / 3
    assert by_name / number > 1 / 4


def chi_square(positions: Sequence[int], places: int) -> float:
    counts, expected = Counter(positions), len(positions) / places
    return sum((counts[i] - expected) ** 2 / expected for i in range(1, places + 1))


@pytest.mark.parametrize("places", sorted(LARGEST_CHI_SQUARE))
def test_the_statements_asked_about_stand_anywhere(places: int) -> None:
    benchmark = Facts(kinds=["single_hop"], facts=[places], dialogues=500, questions=2)
    benchmark.load()
    found = [int(words(sample.groups[-1])[1]) for sample in benchmark.samples()]
    assert len(found) == 1000
    assert chi_square(found, places) < LARGEST_CHI_SQUARE[places]
    assert chi_square([min(i, 2) for i in found], places) > LARGEST_CHI_SQUARE[places]


@pytest.mark.parametrize(
    ("prediction", "score"),
    [
        ("piano", 1.0),
        ("Piano.", 1.0),
        ("**piano**!", 1.0),
        ("Vera is learning the piano, yes, the piano.", 1.0),
        ("She lives in Oslo and plays the piano.", 1.0),
        ("guitar", 0.0),
        ("piano or guitar", 0.0),
        ("pianos", 0.0),
        ("pianoforte", 0.0),
        ("Got it.", 0.0),
        ("", 0.0),
    ],
)
def test_scoring(prediction: str, score: float, facts: Facts) -> None:
    sample = facts.samples()[0]
    asked = replace(sample, references=("piano",), attribute="instrument")
    assert facts.score(asked, prediction) == {"em": score}


def test_a_reference_scores_and_any_other_value_does_not(facts: Facts) -> None:
    values = {attribute.name: attribute.values for attribute in ATTRIBUTES}
    for sample in facts.samples():
        for value in values[sample.attribute]:
            right = value == sample.references[0]
            assert facts.score(sample, f"It is {value}.") == {"em": float(right)}


def test_the_same_seed_is_the_same_benchmark_on_any_machine() -> None:
    one, other, third = Facts(), Facts(), Facts(seed=1)
    for benchmark in (one, other, third):
        benchmark.load()
    assert one.data().content == CONTENT
    assert one.samples() == other.samples()
    assert one.fingerprint() == other.fingerprint() != third.fingerprint()
    assert [s.question for s in one.samples()] != [s.question for s in third.samples()]


def test_only_the_test_split_has_names_unseen_in_training() -> None:
    validation = Facts(split="validation", dialogues=3)
    validation.load()
    assert all("unseen" not in sample.groups for sample in validation.samples())
    assert {sample.groups[2] for sample in validation.samples()} == {"seen"}


def test_words_are_distinct() -> None:
    values = [value for attribute in ATTRIBUTES for value in attribute.values]
    together = [word.casefold() for word in (*NAMES, *UNSEEN_NAMES, *values)]
    assert len(set(together)) == len(together)
    for attribute in ATTRIBUTES:
        assert len(attribute.values) > MOST_STATEMENTS
        for value in attribute.values:
            assert re.fullmatch("[A-Za-z]+", value)


def test_what_stands_around_the_facts_names_no_value() -> None:
    talk = [text for turn in SMALL_TALK for text in turn]
    phrasings = [text for a in ATTRIBUTES for text in (*a.said, *a.own, *a.changed, *a.asked)]
    for text in (*talk, *ACKNOWLEDGEMENTS, *phrasings):
        assert not {word.casefold() for word in words(text)} & {v.casefold() for v in OWNER}
        assert not set(words(text)) & PEOPLE


def test_a_statement_has_several_phrasings() -> None:
    found: dict[str, set[str]] = {attribute.name: set() for attribute in ATTRIBUTES}
    for seed in range(4000):
        text = new_statement(random.Random(seed))
        if friends_in(text):
            continue
        (name,) = [word for word in words(text) if word in PEOPLE]
        (value,) = [word for word in words(text) if word in OWNER]
        found[OWNER[value]].add(text.replace(name, "NAME").replace(value, "VALUE"))
    assert all(len(phrasings) >= 12 for phrasings in found.values())
    assert all(len(set(attribute.asked)) > 1 for attribute in ATTRIBUTES)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"split": "train"}, "bench.split is 'train'; choose one of validation, test"),
        ({"kinds": ["three_hop"]}, "bench.kinds is 'three_hop'; choose one of single_hop"),
        ({"facts": [0]}, r"bench.facts is \[0\]; numbers from 1 to 24"),
        ({"facts": [25]}, r"bench.facts is \[25\]"),
        ({"facts": []}, r"bench.facts is \[\]"),
        ({"dialogues": 0}, "bench.dialogues is 0"),
        ({"questions": 0}, "bench.questions is 0"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        Facts(**settings)


def test_kinds_that_need_more_statements() -> None:
    with pytest.raises(InvalidInput, match="two_hop and update need at least 2"):
        Facts(kinds=["update"], facts=[1]).load()
    with pytest.raises(ValueError, match="1 statements in a dialogue of the kind two_hop"):
        fact_dialogue(random.Random(0), "two_hop", 1)
