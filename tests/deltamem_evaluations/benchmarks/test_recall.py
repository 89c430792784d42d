"""The generated benchmark: what it asks, and that its splits keep to themselves."""

from __future__ import annotations

import random
from typing import Any

import pytest

from deltamem_base.faults import InvalidInput
from deltamem_evaluations.benchmarks.recall import Recall, training_dialogue
from deltamem_evaluations.benchmarks.recall.dialogues import NAMES, PLACES, UNSEEN_NAMES, dialogue
from deltamem_evaluations.generated import KINDS


@pytest.fixture(scope="module")
def recall() -> Recall:
    benchmark = Recall(dialogues=6)
    benchmark.load()
    return benchmark


def answer_by_reading(messages: Any, question: str) -> str:
    """A reader's algorithm: follow the friend if asked to, then take the last place said."""
    words = question.rstrip("?").split()
    name = words[-2] if words[-1] == "today" else words[-1]
    said = [m["content"].rstrip(".").split() for m in messages]
    facts = [(s[1], s[3], s[4]) for s in said if s[0] == "Today"]
    if "friend" in words:
        name = [friend for who, how, friend in facts if who == name and how == "with"][-1]
    return [place for who, how, place in facts if who == name and how == "in"][-1]


def test_every_question_can_be_answered_by_reading(recall: Recall) -> None:
    for sample in recall.samples():
        messages = recall.history(sample.history_id).messages
        assert (answer_by_reading(messages, sample.question),) == sample.references


def test_sizes_and_groups(recall: Recall) -> None:
    for sample in recall.samples():
        kind, sized, seen = sample.groups
        messages = recall.history(sample.history_id).messages
        statements = sum(m["content"].startswith("Today") for m in messages)
        assert sized == f"{kind}/{statements}"
        names = {w for m in messages for w in m["content"].split() if w in NAMES + UNSEEN_NAMES}
        assert names <= set(UNSEEN_NAMES if seen == "unseen" else NAMES)
        assert [m["role"] for m in messages] == [
            ("user", "assistant")[i % 2] for i in range(len(messages))
        ]
    assert {s.groups[0] for s in recall.samples()} == set(KINDS)
    assert {s.groups[1] for s in recall.samples()} >= {"single_hop/16", "two_hop/2", "update/8"}


def test_samples_of_a_history_stand_together(recall: Recall) -> None:
    order = [s.history_id for s in recall.samples()]
    assert order == sorted(order, key=list(dict.fromkeys(order)).index)
    assert len({s.id for s in recall.samples()}) == len(order)


@pytest.mark.parametrize(
    ("prediction", "score"),
    [
        ("Today Ada is in Oslo.", 1.0),
        ("Oslo", 1.0),
        ("**Oslo**!", 1.0),
        ("It is Oslo, yes, Oslo.", 1.0),
        ("Rome", 0.0),
        ("Oslo or Rome", 0.0),
        ("Osloo", 0.0),
        ("oslo", 0.0),
        ("", 0.0),
    ],
)
def test_scoring(prediction: str, score: float, recall: Recall) -> None:
    sample = recall.samples()[0]
    right = type(sample)(**{**vars(sample), "references": ("Oslo",)})
    assert recall.score(right, prediction) == {"em": score}


def test_the_same_seed_is_the_same_benchmark() -> None:
    one, other, third = Recall(dialogues=3), Recall(dialogues=3), Recall(dialogues=3, seed=1)
    for benchmark in (one, other, third):
        benchmark.load()
    assert one.samples() == other.samples()
    assert one.fingerprint() == other.fingerprint() != third.fingerprint()
    assert [s.question for s in one.samples()] != [s.question for s in third.samples()]


def test_training_and_test_dialogues_differ(recall: Recall) -> None:
    trained = {tuple(m["content"] for m in training_dialogue(42, i).messages) for i in range(300)}
    tested = {
        tuple(m["content"] for m in recall.history(s.history_id).messages)
        for s in recall.samples()
        if s.facts > 1
    }
    assert not trained & tested
    validation = Recall(split="validation", dialogues=3)
    validation.load()
    assert all("unseen" not in s.groups for s in validation.samples())


def test_an_update_comes_after_what_it_replaces() -> None:
    for seed in range(50):
        made = dialogue(random.Random(seed), ["update", "single_hop"])
        (update,) = [q for q in made.questions if q.kind == "update"]
        assert answer_by_reading(made.messages, update.text) == update.place
        assert sum(update.text.split()[2] in m["content"] for m in made.messages) == 2


def test_words_are_distinct() -> None:
    words = [*NAMES, *UNSEEN_NAMES, *PLACES]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"split": "dev"}, "bench.split is 'dev'; choose one of train, validation, test"),
        ({"kinds": ["three_hop"]}, "bench.kinds is 'three_hop'"),
        ({"facts": [0]}, "bench.facts is"),
        ({"facts": []}, "bench.facts is"),
        ({"dialogues": 0}, "bench.dialogues is"),
    ],
    ids=str,
)
def test_settings_that_make_no_sense(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        Recall(**settings)
