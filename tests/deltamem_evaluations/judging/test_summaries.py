"""The judge of summaries: prompts of a checkout, replies, scores by hand, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from summary_prompts import PRECISION, RECALL, checkout

from deltamem_base.faults import InvalidData, Unavailable
from deltamem_evaluations.judging.rules import Inquiry
from deltamem_evaluations.judging.summaries import read_summary_prompts


def inquiry(folder: Path) -> Inquiry:
    return read_summary_prompts(str(folder)).inquiry(
        summary=" They {meet}. They part. \n",
        reference="Two meet and part.",
        key_points=["They meet.", "They part.", "It rains."],
    )


def score(asked: Inquiry, *replies: str) -> float | None:
    verdicts = [q.rules.read(reply) for q, reply in zip(asked.questions, replies, strict=True)]
    told = [verdict for verdict in verdicts if verdict is not None]
    return asked.score(told) if len(told) == len(verdicts) else None


def test_three_questions_in_the_words_of_the_checkout(tmp_path: Path) -> None:
    asked = inquiry(checkout(tmp_path))
    assert [question.prompt for question in asked.questions] == [
        'Is it fluent? Say {"fluency": 1}.\nThey {meet}. They part.',
        'Which points are there? Say {"recall": 2}.\n1. They meet.\n2. They part.\n3. It rains.\n'
        "<They {meet}. They part.>",
        'What is true? Say {"precision": 7, "sentence_count": 20}.\n<Two meet and part.>\n'
        "<They {meet}. They part.>",
    ]
    assert len({question.rules.said for question in asked.questions}) == 1
    file = tmp_path / "llm_based_eval" / "summarization_evaluate.py"
    assert [q.prompt for q in inquiry(file).questions] == [q.prompt for q in asked.questions]


def test_other_prompts_are_another_judge(tmp_path: Path) -> None:
    one = inquiry(checkout(tmp_path / "a")).questions[0]
    other = inquiry(checkout(tmp_path / "b", recall=RECALL + "!")).questions[0]
    assert one.prompt == other.prompt
    assert one.rules.said != other.rules.said


def told(fluency: int, recall: int, precision: int, sentences: int) -> tuple[str, str, str]:
    return (
        json.dumps({"fluency": fluency}),
        f'Points 1 {{and}} 2.\n```json\n{{"supported": [1, 2], "recall": {recall}}}\n```',
        f'Output: {{"precision": {precision},\n "sentence_count": {sentences}}}',
    )


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        ((1, 3, 4, 4), 1.0),
        ((1, 2, 1, 2), 2 * (2 / 3) * (1 / 2) / (2 / 3 + 1 / 2)),
        ((0, 3, 4, 4), 0.0),  # nothing counts that is not fluent
        ((1, 0, 0, 4), 0.0),
        ((1, 3, 0, 0), 0.0),  # no sentence
        ((2, 3, 4, 4), None),
        ((1, 4, 4, 4), None),  # four of three points
        ((1, 3, 5, 4), None),
        ((1, -1, 4, 4), None),
    ],
    ids=str,
)
def test_scores_by_hand(
    counts: tuple[int, int, int, int], wanted: float | None, tmp_path: Path
) -> None:
    """The benchmark's formula; counts that cannot be are no verdict, and are asked for again."""
    found = score(inquiry(checkout(tmp_path)), *told(*counts))
    assert found == (wanted if wanted is None else pytest.approx(wanted))


@pytest.mark.parametrize(
    "reply",
    [
        *("", "fluency: 1", "{fluency: 1}", "{" * 100_000),
        *('{"fluency": "1"}', '{"fluency": true}', '{"fluency": 0.5}', '{"fluency": NaN}'),
    ],
    ids=lambda reply: str(reply)[:30],
)
def test_replies_without_a_verdict(reply: str, tmp_path: Path) -> None:
    assert inquiry(checkout(tmp_path)).questions[0].rules.read(reply) is None


@pytest.mark.parametrize(
    ("spoilt", "sentence"),
    [
        ({"fluency": "no place"}, r"fluency_prompt_book: the fields that are filled must be \{te"),
        ({"recall": "{summary}"}, r"must be \{keypoints\} and \{summary\}"),
        ({"precision": PRECISION + "{label}"}, r"must be \{expert_summary\} and \{summary\}"),
        ({"fluency": "{text.__class__}"}, "the fields that are filled"),
        ({"fluency": "{text!r}"}, "the fields that are filled"),
        ({"fluency": "{text:>9999999}"}, "the fields that are filled"),
        ({"fluency": "{text"}, "fluency_prompt_book: expected '}'"),
    ],
    ids=str,
)
def test_prompts_that_cannot_be_filled(
    spoilt: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidData, match=sentence):
        read_summary_prompts(str(checkout(tmp_path, **spoilt)))


def test_prompts_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="bench.judge_path=.*; give a checkout of MemoryAgentBe"):
        read_summary_prompts(str(tmp_path))
    path = tmp_path / "prompts.py"
    path.write_text("fluency_prompt_book = nowhere.text\n")
    with pytest.raises(InvalidData, match="fluency_prompt_book: there is no text"):
        read_summary_prompts(str(path))
    path.write_text("x = " + "-" * 100_000 + "1")
    with pytest.raises(InvalidData, match=r"cannot be read as Python|there is no text"):
        read_summary_prompts(str(path))
    path.write_text("fluency_prompt_book = '")
    with pytest.raises(InvalidData, match="cannot be read as Python"):
        read_summary_prompts(str(path))
