"""Training examples: a part that is only written, and questions answered from what it left.

An episode as JSON:

    {"id": "a1", "messages": [{"role": "user", "content": "..."}, ...], "write": 3}

The last message is the assistant's answer and the target; the last user message before it is
visible; everything before that is written. ``write`` overrides how many leading messages are
written. A leading system message is written and visible, as in the published recipe.

Several questions about one history, which is then written once for all of them:

    {"messages": [{"role": "user", "content": "..."}, ...],
     "questions": [{"question": "...", "answer": "..."}, ...]}

All messages are written, and each question is asked by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from deltamem.backbone import Messages

__all__ = [
    "Ask",
    "Episode",
    "Episodes",
    "episodes_sha",
    "joined_by_history",
    "parse_episode",
    "written_part",
]

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """A visible prompt, and the answer that is learnt."""

    visible: Messages
    answer: str


@dataclass(frozen=True, kw_only=True)
class Episode:
    """One history and one or more questions about it, which share its write pass."""

    id: str
    written: Messages
    asks: Sequence[Ask]
    join: str | None = None
    """Text between written messages of one role that share a turn; None: a turn each."""


Item = TypeVar("Item", covariant=True)


class Episodes(Protocol[Item]):
    """A source of training items: a list of them, or a generator of an endless supply by number."""

    def __len__(self) -> int:
        """Number of items in one epoch."""

    def __getitem__(self, index: int, /) -> Item:
        """The same item for the same ``index``, always."""


def episodes_sha(episodes: Iterable[Episode]) -> str:
    """sha256 over the episodes as canonical JSON lines, the same on every machine.

    One line each: ASCII, keys sorted, no white space, ended by a line feed.
    """
    digest = hashlib.sha256()
    for episode in episodes:
        content = {
            "id": episode.id,
            "written": [dict(m) for m in episode.written],
            "asks": [
                {"visible": [dict(m) for m in a.visible], "answer": a.answer} for a in episode.asks
            ],
            "join": episode.join,
        }
        line = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        digest.update(f"{line}\n".encode("ascii"))
    return digest.hexdigest()


def written_part(episode: Episode) -> Hashable:
    """Key of the written part: equal for episodes that leave the same state."""
    return tuple((m["role"], m["content"]) for m in episode.written), episode.join


def joined_by_history(episodes: Sequence[Episode], most: int) -> list[Episode]:
    """Episodes in which the questions about one history stand together, wherever they stood.

    Each takes the place and the id of the first of its episodes. What has nothing written stays as
    it is: there is nothing to share.

    Args:
        episodes: with any number of questions each.
        most: questions that episodes are joined up to; 1 leaves all as they are.
    """
    joined: list[Episode] = []
    places: dict[Hashable, int] = {}
    for episode in episodes:
        history = written_part(episode)
        place = places.get(history) if episode.written else None
        if place is not None and len(joined[place].asks) + len(episode.asks) <= most:
            whole = joined[place]
            joined[place] = replace(whole, asks=(*whole.asks, *episode.asks))
        else:
            places[history] = len(joined)
            joined.append(episode)
    return joined


def parse_episode(row: object, *, default_id: str) -> Episode:
    """An episode of one line's content.

    Raises:
        ValueError: what is wrong with it.
    """
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
        raise ValueError("an episode is an object with a list of messages")
    messages = [_message(m, position) for position, m in enumerate(row["messages"])]
    system = [m for m in messages[:1] if m["role"] == "system"]
    if "questions" in row:
        if "write" in row:
            raise ValueError(
                "'write' cannot be used with 'questions': there, every message is written"
            )
        asks = _asks(row["questions"], system)
        return Episode(id=str(row.get("id", default_id)), written=messages, asks=asks)
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise ValueError("the last message must be the assistant's answer, after a user's message")
    visible_from = len(messages) - 2
    write = row.get("write", visible_from)
    if not isinstance(write, int) or isinstance(write, bool) or not 0 <= write <= visible_from:
        raise ValueError(f"write is {write!r}; it must be a number from 0 to {visible_from}")
    if messages[visible_from]["role"] != "user":
        raise ValueError("the message before the answer must be the user's")
    visible = messages[write:-1] if write == 0 else [*system, *messages[write:-1]]
    return Episode(
        id=str(row.get("id", default_id)),
        written=messages[:write],
        asks=(Ask(visible=visible, answer=messages[-1]["content"]),),
    )


def _asks(questions: object, system: Sequence[dict[str, str]]) -> tuple[Ask, ...]:
    """The questions of a row, each asked by itself after the instructions."""
    if not isinstance(questions, list) or not questions:
        raise ValueError("'questions' must be a list of objects with a question and an answer")
    asks = []
    for number, entry in enumerate(questions, 1):
        if not isinstance(entry, dict) or not {"question", "answer"} <= set(entry):
            raise ValueError(f"question {number} lacks a question or an answer")
        texts = entry["question"], entry["answer"]
        if not all(isinstance(text, str) and text.strip() for text in texts):
            raise ValueError(f"question {number} has no text, or its answer has none")
        visible = [*system, {"role": "user", "content": texts[0]}]
        asks.append(Ask(visible=visible, answer=texts[1]))
    return tuple(asks)


def _message(message: object, position: int) -> dict[str, str]:
    if not isinstance(message, dict) or not {"role", "content"} <= set(message):
        raise ValueError(f"message {position} lacks a role or a content")
    role, content = message["role"], message["content"]
    if role not in ROLES:
        raise ValueError(
            f"message {position} has the role {role!r}; choose among {', '.join(ROLES)}"
        )
    if role == "system" and position > 0:
        raise ValueError(f"message {position} is a system message; only the first can be")
    if not isinstance(content, str) or not content.strip():
        raise ValueError(f"message {position} has no text")
    return {"role": role, "content": content}
