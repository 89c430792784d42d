"""The JSONL format: what a line means, and what is said of a bad one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import UNTIMED
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from deltamem import InvalidInput, Unavailable
from deltamem_base.faults import InvalidData
from deltamem_cli.training_data.jsonl import JsonlData, read_episodes

SYSTEM = {"role": "system", "content": "s"}
TALK = [
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "two"},
    {"role": "user", "content": "three"},
    {"role": "assistant", "content": "four"},
]

ASKED = {"question": "five", "answer": "six"}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def contents(messages: Any) -> list[str]:
    return [m["content"] for m in messages]


@pytest.mark.parametrize(
    ("row", "written", "visible"),
    [
        ({"messages": TALK}, ["one", "two"], ["three"]),
        ({"messages": TALK, "write": 1}, ["one"], ["two", "three"]),
        ({"messages": TALK, "write": 0}, [], ["one", "two", "three"]),
        ({"messages": [SYSTEM, *TALK]}, ["s", "one", "two"], ["s", "three"]),
        ({"messages": [SYSTEM, *TALK], "write": 0}, [], ["s", "one", "two", "three"]),
        ({"messages": TALK[2:]}, [], ["three"]),
    ],
    ids=str,
)
def test_what_is_written_and_what_is_visible(
    row: dict[str, Any], written: list[str], visible: list[str], tmp_path: Path
) -> None:
    (episode,) = read_episodes(write(tmp_path / "e.jsonl", row))
    assert contents(episode.written) == written
    assert contents(episode.asks[0].visible) == visible
    assert episode.asks[0].answer == "four"
    assert episode.id == "line-1"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ([], "an object with a list of messages"),
        ({"messages": "text"}, "an object with a list of messages"),
        ({"messages": TALK[:1]}, "the last message must be the assistant's"),
        ({"messages": TALK[:3]}, "the last message must be the assistant's"),
        ({"messages": [TALK[1], TALK[3]]}, "before the answer must be the user's"),
        ({"messages": [*TALK[:3], {"role": "assistant"}]}, "message 3 lacks a role or a content"),
        ({"messages": [*TALK[:3], {"role": "bot", "content": "x"}]}, "the role 'bot'"),
        ({"messages": [*TALK[:3], {"role": "assistant", "content": 4}]}, "message 3 has no text"),
        ({"messages": [TALK[0], SYSTEM, *TALK[2:]]}, "only the first can be"),
        ({"messages": TALK, "write": 3}, "write is 3; it must be a number from 0 to 2"),
        ({"messages": TALK, "write": True}, "write is True"),
        ({"messages": TALK, "write": 1, "questions": [ASKED]}, "'write' cannot be used with"),
        (
            {"messages": TALK, "questions": []},
            "'questions' must be a list of objects with a question",
        ),
        ({"messages": TALK, "questions": ASKED}, "'questions' must be a list of objects"),
        (
            {"messages": TALK, "questions": [ASKED, {"question": "a"}]},
            "question 2 lacks a question",
        ),
        ({"messages": TALK, "questions": ["a"]}, "question 1 lacks a question or an answer"),
        ({"messages": TALK, "questions": [{"question": "a", "answer": 4}]}, "its answer has none"),
        ({"messages": TALK, "questions": [{"question": " ", "answer": "b"}]}, "question 1 has no"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_lines_are_named_by_their_number(row: Any, sentence: str, tmp_path: Path) -> None:
    path = write(tmp_path / "e.jsonl", {"messages": TALK}, row)
    with pytest.raises(InvalidInput, match=f"e.jsonl, line 2: .*{sentence}"):
        read_episodes(path)


def test_how_many_more_are_bad(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    path.write_text('{"messages": []}\n\n{"messages": 3}\n{"a": 1}\n')
    with pytest.raises(InvalidInput, match=r"line 1: .* \(and 2 more bad episodes\)"):
        read_episodes(path)
    path.write_text('{"messages": []}\n\nnot json\n{"a": 1}\n')
    with pytest.raises(InvalidData, match=r"e.jsonl, line 3, character 1: this is not JSON"):
        read_episodes(path)


def test_a_list_is_read_as_lines_are(tmp_path: Path) -> None:
    rows = [{"messages": TALK}, {"messages": [SYSTEM, *TALK], "id": "b"}]
    (tmp_path / "list.jsonl").write_text(json.dumps(rows, indent=1))
    paths = [write(tmp_path / "lines.json", *rows), tmp_path / "list.jsonl"]
    lines, listed = (JsonlData(path=str(path), together=16, held_out=1).load() for path in paths)
    assert lines.episodes == listed.episodes
    assert lines.source["sha256"] == listed.source["sha256"]


def test_no_file_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="there is no such file"):
        read_episodes(tmp_path / "e.jsonl")
    with pytest.raises(InvalidData, match="is empty"):
        read_episodes(write(tmp_path / "e.jsonl"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "messages",
                    "role",
                    "content",
                    "write",
                    "questions",
                    "question",
                    "answer",
                    "id",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, suppress_health_check=[*UNTIMED, HealthCheck.function_scoped_fixture])
@given(row=JSON)
@example(row={"messages": [{"messages": None}]})
@example(row=[])
@example(row={"x": {}, "messages": {}})
def test_any_json_is_read_or_named(row: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "e.jsonl", row)
    try:
        episodes = read_episodes(path)
    except (InvalidInput, InvalidData) as fault:
        assert "e.jsonl" in str(fault)
    else:
        assert all(episode.asks for episode in episodes)


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path) -> None:
    talk = [
        {"role": "user", "content": "one\u2028two"},
        {"role": "assistant", "content": "three"},
    ]
    path = tmp_path / "e.jsonl"
    path.write_text(json.dumps({"messages": talk}, ensure_ascii=False) + "\n", encoding="utf-8")
    (episode,) = read_episodes(path)
    assert episode.asks[0].visible[0]["content"] == "one\u2028two"


def test_questions_about_one_history_are_one_episode(tmp_path: Path) -> None:
    asked = [ASKED, {"question": "seven", "answer": "eight"}]
    path = write(tmp_path / "e.jsonl", {"messages": [SYSTEM, *TALK], "questions": asked, "id": "a"})
    (episode,) = read_episodes(path)
    assert episode.id == "a"
    assert contents(episode.written) == ["s", "one", "two", "three", "four"]
    assert [contents(ask.visible) for ask in episode.asks] == [["s", "five"], ["s", "seven"]]
    assert [ask.answer for ask in episode.asks] == ["six", "eight"]


def one_of(history: str, number: int) -> dict[str, Any]:
    """A row that asks question ``number`` about a history."""
    said = [{"role": "user", "content": history}, {"role": "assistant", "content": "ok"}]
    asked = [{"role": "user", "content": f"{number}?"}, {"role": "assistant", "content": "yes"}]
    return {"messages": [*said, *asked] if history else asked, "id": f"{history}{number}"}


ROWS = [
    one_of("a", 1),
    one_of("b", 1),
    one_of("", 1),
    one_of("a", 2),
    one_of("", 2),
    one_of("a", 3),
]


@pytest.mark.parametrize(
    ("together", "wanted"),
    [
        (1, {"a1": 1, "b1": 1, "1": 1, "a2": 1, "2": 1, "a3": 1}),
        (2, {"a1": 2, "b1": 1, "1": 1, "2": 1, "a3": 1}),
        (16, {"a1": 3, "b1": 1, "1": 1, "2": 1}),
    ],
)
def test_lines_with_one_history_are_one_episode(
    together: int, wanted: dict[str, int], tmp_path: Path
) -> None:
    path = write(tmp_path / "e.jsonl", *ROWS)
    data = JsonlData(path=str(path), together=together, held_out=0).load()
    episodes = [data.episodes[i] for i in range(len(data.episodes))]
    assert {e.id: len(e.asks) for e in episodes} == wanted
    assert data.source["questions"] == len(ROWS)
    asked = {
        (contents(e.written)[0], contents(a.visible)[0])
        for e in episodes
        if e.written
        for a in e.asks
    }
    assert asked == {("a", "1?"), ("a", "2?"), ("a", "3?"), ("b", "1?")}


def test_lines_and_a_list_of_questions_are_the_same_data(tmp_path: Path) -> None:
    said = one_of("a", 1)["messages"][:2]
    questions = [{"question": f"{n}?", "answer": "yes"} for n in (1, 2, 3)]
    listed = write(
        tmp_path / "listed.jsonl", {"messages": said, "questions": questions, "id": "a1"}
    )
    lines = write(tmp_path / "lines.jsonl", *(one_of("a", n) for n in (1, 2, 3)))
    shas = [
        JsonlData(path=str(path), together=16, held_out=0).load().source["sha256"]
        for path in (listed, lines)
    ]
    assert shas[0] == shas[1]


def test_no_history_is_trained_on_and_held_out(tmp_path: Path) -> None:
    path = write(tmp_path / "e.jsonl", one_of("b", 1), *(one_of("a", n) for n in range(9)))
    data = JsonlData(path=str(path), together=16, held_out=1).load()
    assert [contents(e.written) for e in data.held_out] == [["a", "ok"]]
    assert [e.id for e in data.episodes] == ["b1"]
