"""Chat data sets as they are published: files that `datasets` itself wrote."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from deltamem_base.faults import InvalidData, InvalidInput, Unavailable
from deltamem_cli.errors import UsageError
from deltamem_cli.training_data import ChatData

WORDS = ("Ada is in Oslo.", "Noted.", "Where is Ada?", "In Oslo.")
ROLES = ("user", "assistant", "user", "assistant")


def messages(*pairs: tuple[str, str], role: str = "role", content: str = "content") -> list[Any]:
    return [{role: who, content: what} for who, what in pairs]


GOOD = messages(*zip(ROLES, WORDS, strict=True))
SHAREGPT = messages(
    ("system", "Be kind."),
    *zip(("human", "gpt", "human", "gpt"), WORDS, strict=True),
    role="from",
    content="value",
)


def source(path: Any, **changes: Any) -> ChatData:
    settings = {
        "id": None,
        "config": None,
        "revision": None,
        "split": "train",
        "messages_column": None,
        "together": 1,
        "max_chars": 1000,
        "held_out": 0,
    }
    return ChatData(path=None if path is None else str(path), **{**settings, **changes})


def rows_file(folder: Path, kind: str, column: str, talks: list[Any]) -> Path:
    folder.mkdir()
    data = Dataset.from_list([{"id": i, column: talk} for i, talk in enumerate(talks)])
    if kind == "parquet":
        data.to_parquet(folder / "train-00000-of-00001.parquet")
    else:
        data.to_json(folder / "train.jsonl", lines=True)
    return folder


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize(
    ("column", "talk"), [("messages", GOOD), ("conversations", SHAREGPT)], ids=["roles", "sharegpt"]
)
def test_formats(kind: str, column: str, talk: list[Any], tmp_path: Path) -> None:
    folder = rows_file(tmp_path / "rows", kind, column, [talk, talk, talk])
    data = source(folder, held_out=1).load()
    assert ([e.id for e in data.episodes], [e.id for e in data.held_out]) == (["0", "1"], ["2"])
    episode = data.episodes[0]
    system = [{"role": "system", "content": "Be kind."}] if talk is SHAREGPT else []
    assert episode.written == [*system, *GOOD[:2]]
    assert episode.asks[0].visible == [*system, GOOD[2]]
    assert episode.asks[0].answer == WORDS[3]
    assert (data.source["rows"], data.source["rejected"]) == (3, {})


BAD = {
    "no messages": None,
    "a message that is not an object": ["text"],
    "a role other than system, user and assistant": [*GOOD[:3], {"role": "tool", "content": "x"}],
    "a system message after the first message": [GOOD[0], {"role": "system", "content": "x"}],
    "a message without text": [*GOOD[:3], {"role": "assistant", "content": " "}],
    "no answer of the assistant's": [{"role": "system", "content": "s"}, GOOD[2], GOOD[0]],
    "no user's message before the answer": [*GOOD[:2], GOOD[3]],
    "nothing to write: a single exchange": [{"role": "system", "content": "s"}, *GOOD[2:]],
    "question and answer above 1000 characters": [
        *GOOD[:3],
        {"role": "assistant", "content": "x" * 1000},
    ],
}


def test_what_is_rejected_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    image = [*GOOD[:3], {"role": "assistant", "content": [{"type": "image", "url": "x"}]}]
    talks = [*BAD.values(), image, GOOD]
    path.write_text("".join(json.dumps({"messages": talk}) + "\n" for talk in talks))
    data = source(path).load()
    assert [e.id for e in data.episodes] == [f"row-{len(talks)}"]
    expected = dict.fromkeys(BAD, 1) | {"a message without text": 2}
    assert data.source["rejected"] == expected
    assert sum(expected.values()) + 1 == data.source["rows"]


def test_half_a_character_is_named_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    broken = [*GOOD[:3], {"role": "assistant", "content": "\ud83d"}]
    path.write_text("".join(json.dumps({"messages": talk}) + "\n" for talk in (GOOD, broken)))
    with pytest.raises(InvalidData, match=r"talks.jsonl, line 2, character \d+: \\ud83d is half"):
        source(path).load()


def test_what_the_user_says_last_is_left_out(tmp_path: Path) -> None:
    """707 of 2,000 dialogues of a public set end in the user's words."""
    path = tmp_path / "talks.jsonl"
    talks = [[*GOOD, GOOD[0]], [*GOOD, GOOD[0], GOOD[2]], GOOD, GOOD[:3]]
    path.write_text("".join(json.dumps({"messages": talk}) + "\n" for talk in talks))
    data = source(path).load()
    assert [(e.written, e.asks[0].answer) for e in data.episodes] == [(GOOD[:2], WORDS[3])] * 3
    assert data.source["without the user's last words"] == 2
    assert data.source["rejected"] == {"nothing to write: a single exchange": 1}


def test_a_content_of_text_parts(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    parts = [{"type": "text", "text": "In "}, {"type": "text", "text": "Oslo."}]
    path.write_text(json.dumps({"m": [*GOOD[:3], {"role": "assistant", "content": parts}]}))
    data = source(path, messages_column="m").load()
    assert data.episodes[0].asks[0].answer == "In Oslo."


def test_what_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "talks.jsonl"
    path.write_text(json.dumps({"text": "x", "messages": GOOD[:1]}) + "\n")
    with pytest.raises(InvalidData, match="no column turns; it has text, messages: name one with"):
        source(path, messages_column="turns").load()
    with pytest.raises(InvalidInput, match=r"none of 1 rows can be used \(no answer of the ass"):
        source(path).load()
    path.write_text(json.dumps({"messages": GOOD}) + "\n")
    with pytest.raises(InvalidInput, match="has 1 episodes and training.data.held_out=3 leaves"):
        source(path, held_out=3).load()
    with pytest.raises(UsageError, match="training.data.id=HUB_ID or training.data.path=FILE"):
        source(None).load()
    with pytest.raises(Unavailable, match="some/talks is not on this machine"):
        source(None, id="some/talks").load()


def test_train_on_it(cli: Callable[..., Any]) -> None:
    rows_file(Path("rows"), "parquet", "conversations", [SHAREGPT] * 4)
    words = ("training=chat", "training.data.path=rows", "training.data.held_out=1")
    done = cli("train", *words, "training.batch_size=2", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["steps"] == 2
    done = cli("train", "training=chat")
    assert (done.code, done.out) == (2, "")
    assert "name the chat data with training.data.id=HUB_ID" in done.err
