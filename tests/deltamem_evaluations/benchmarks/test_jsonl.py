"""A user's own questions: every form of the file, shared histories, metrics, bad rows by number."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deltamem_base.faults import InvalidData, InvalidInput, Unavailable
from deltamem_evaluations.benchmarks.jsonl import JsonlQuestions

TOLD = [
    {"role": "user", "content": "Clara is in Oslo."},
    {"role": "assistant", "content": "Got it."},
]
ROWS: list[dict[str, Any]] = [
    {
        "id": "q1",
        "history_id": "a",
        "history": TOLD,
        "question": "Where is Clara?",
        "reference": "Oslo",
        "groups": ["places"],
    },
    {"history": TOLD[:1], "question": "Who is in Oslo?", "references": ["Clara", "Clara Ek"]},
    {
        "history_id": "a",
        "question": "Which country is Clara in?",
        "references": ["Norway"],
        "groups": ["places"],
    },
]


def write_questions(path: Path, rows: list[dict[str, Any]] | None = None) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in (ROWS if rows is None else rows)))
    return path


def loaded(path: Path, **settings: Any) -> JsonlQuestions:
    made = JsonlQuestions(path=str(path), **settings)
    made.load()
    return made


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., JsonlQuestions]:
    def make(*rows: dict[str, Any], **settings: Any) -> JsonlQuestions:
        return loaded(write_questions(tmp_path / "mine.jsonl", list(rows)), **settings)

    return make


def test_questions_of_one_history_stand_together(read: Callable[..., JsonlQuestions]) -> None:
    made = read(*ROWS)
    assert [s.id for s in made.samples()] == ["q1", "question-3", "question-2"]
    first, third, second = made.samples()
    assert first.history_id == third.history_id == "a"
    assert second.history_id.startswith("history-")
    assert made.history("a").messages == tuple(TOLD)
    assert (first.references, second.references) == (("Oslo",), ("Clara", "Clara Ek"))
    assert (first.groups, second.groups) == (("places",), ())


def test_equal_histories_are_one_without_an_id(read: Callable[..., JsonlQuestions]) -> None:
    rows = [{"history": TOLD, "question": f"{n}?", "reference": "x"} for n in range(3)]
    assert len({s.history_id for s in read(*rows).samples()}) == 1


def test_questions_without_a_history_are_apart(read: Callable[..., JsonlQuestions]) -> None:
    made = read(*({"question": f"{n}?", "reference": "x"} for n in range(3)))
    assert len({s.history_id for s in made.samples()}) == 3
    assert made.history("question-1").messages == ()


def test_every_form_of_the_file_has_one_fingerprint(tmp_path: Path) -> None:
    forms = [
        write_questions(tmp_path / "lines.jsonl"),
        write_questions(tmp_path / "lines.json"),
        tmp_path / "list.json",
        tmp_path / "list.jsonl",
    ]
    for path in forms[2:]:
        path.write_text(json.dumps(ROWS, indent=1))
    assert len({loaded(path).fingerprint() for path in forms}) == 1


@pytest.mark.parametrize(
    "change", [{"question": "Where?"}, {"reference": "Lima"}, {"groups": []}, {"history": TOLD[:1]}]
)
def test_other_content_has_another_fingerprint(
    read: Callable[..., JsonlQuestions], change: dict[str, Any]
) -> None:
    assert read({**ROWS[0], **change}).fingerprint() != read(ROWS[0]).fingerprint()


@pytest.mark.parametrize(
    ("settings", "answer", "scores"),
    [
        ({}, "The Oslo.", {"em": 1, "f1": 1}),
        ({}, "Oslo it is", {"em": 0, "f1": 0.5}),
        ({"metric": "contains"}, "She is in Oslo, I think.", {"contains": 1}),
        ({"metric": "contains"}, "an Osloer", {"contains": 0}),
        ({"metric": ["rouge_l", "em"]}, "Oslo it is", {"rouge_l": 0.5, "em": 0}),
        ({"first_line": True}, "\n Oslo \nor Lima", {"em": 1, "f1": 1}),
        ({}, "", {"em": 0, "f1": 0}),
    ],
)
def test_scores(
    read: Callable[..., JsonlQuestions],
    settings: dict[str, Any],
    answer: str,
    scores: dict[str, float],
) -> None:
    made = read(ROWS[0], **settings)
    assert made.score(made.samples()[0], answer) == pytest.approx(scores)
    assert made.primary_metric == next(iter(scores))


def test_the_best_reference_counts(read: Callable[..., JsonlQuestions]) -> None:
    made = read(ROWS[1])
    assert made.score(made.samples()[0], "clara ek") == {"em": 1, "f1": 1}


OPTIONS = {"question": "Where?", "options": ["Oslo", "Lima", "Rome"], "reference": "Lima"}


@pytest.mark.parametrize(
    ("answer", "score"),
    [("(B)", 1), ("The answer is B.", 1), ("lima", 1), ("A", 0), ("Rome", 0), ("I do not know", 0)],
)
def test_options(read: Callable[..., JsonlQuestions], answer: str, score: float) -> None:
    made = read(OPTIONS, metric="choice")
    sample = made.samples()[0]
    assert sample.question == "Where?\n(A) Oslo\n(B) Lima\n(C) Rome"
    assert sample.asked == "Where?"
    assert made.score(sample, answer) == {"choice": score}


def test_instructions_stand_first(read: Callable[..., JsonlQuestions]) -> None:
    made = read(ROWS[0], instructions="Answer in one word.")
    assert made.history("a").messages == (
        {"role": "system", "content": "Answer in one word."},
        *TOLD,
    )
    assert made.fingerprint() != read(ROWS[0]).fingerprint()


def test_instructions_beside_a_system_message_are_refused(
    read: Callable[..., JsonlQuestions],
) -> None:
    row = {**ROWS[0], "history": [{"role": "system", "content": "Be kind."}, *TOLD]}
    made = read(row, instructions="Answer in one word.")
    with pytest.raises(InvalidInput, match=r"'a' has a system message of its own"):
        made.history("a")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"question": "Where?"}, r"needs 'reference' or a list of 'references'"),
        ({"question": "?", "reference": "x", "references": ["y"]}, "and not both"),
        ({"question": " ", "reference": "x"}, r"'question' is blank"),
        ({"reference": "x"}, r"'question' is missing"),
        ({"question": "?", "reference": True}, r"'reference' is true or false; text or a number"),
        ({"question": "?", "reference": "x", "history": "hello"}, r"'history' is text"),
        (
            {"question": "?", "reference": "x", "history": [{"role": "tool", "content": "x"}]},
            r"'history\[0\].role' does not fit",
        ),
        (
            {
                "question": "?",
                "reference": "x",
                "history": [*TOLD, {"role": "system", "content": "x"}],
            },
            "system message in 'history' that is not the first",
        ),
        ({"question": "?", "reference": "x", "options": ["x"]}, "'options'"),
        ({"question": "?", "reference": "x", "options": ["x", "x"]}, "'options' twice"),
        ({"question": "?", "reference": "z", "options": ["x", "y"]}, "none of its 'options': z"),
        (
            {"question": "?", "reference": "x", "history_id": "b"},
            "no row holds the text of the history 'b'",
        ),
        (
            {"question": "?", "reference": "x", "history_id": "a", "history": TOLD[:1]},
            "an earlier row gives the history 'a' another text",
        ),
        ({"id": "q1", "question": "?", "reference": "x"}, "an earlier question has its id 'q1'"),
    ],
)
def test_a_bad_row_is_named(
    read: Callable[..., JsonlQuestions], row: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidData, match=sentence) as caught:
        read(ROWS[0], row)
    assert "mine.jsonl, line 2" in str(caught.value)


def test_choice_needs_options(read: Callable[..., JsonlQuestions]) -> None:
    with pytest.raises(InvalidData, match=r"line 2: bench.metric=choice needs 'options'"):
        read(OPTIONS, ROWS[0], metric="choice")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"metric": "blue"}, "bench.metric is 'blue'; choose one of em, f1, contains"),
        ({"metric": []}, r"bench.metric is \[\]; name each metric once"),
        ({"metric": ["em", "em"]}, "name each metric once"),
        ({"max_new_tokens": 0}, "must be at least 1"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        JsonlQuestions(path="x", **settings)


def test_the_file_must_be_given_and_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="name it with bench.path=FILE"):
        JsonlQuestions().load()
    with pytest.raises(Unavailable, match="there is no such file"):
        loaded(tmp_path / "none.jsonl")
