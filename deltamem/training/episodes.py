"""Training examples: a part that is only written, and questions answered from what it left.

An episode as JSON:

    {"id": "a1", "messages": [{"role": "user", "content": "..."}, ...], "write": 3}

The last message is the assistant's answer and the target; the last user message before it is
visible; everything before that is written. ``write`` overrides how many leading messages are
written. A leading system message is written and visible, as in the published recipe.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from deltamem.backbone import Messages

__all__ = ["Ask", "Episode", "Episodes", "episodes_sha", "parse_episode"]

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


def parse_episode(row: Any, *, default_id: str) -> Episode:
    """An episode of one line's content.

    Raises:
        ValueError: what is wrong with it.
    """
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
        raise ValueError("an episode is an object with a list of messages")
    messages = [_message(m, position) for position, m in enumerate(row["messages"])]
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        raise ValueError("the last message must be the assistant's answer, after a user's message")
    visible_from = len(messages) - 2
    write = row.get("write", visible_from)
    if not isinstance(write, int) or isinstance(write, bool) or not 0 <= write <= visible_from:
        raise ValueError(f"write is {write!r}; it must be a number from 0 to {visible_from}")
    if messages[visible_from]["role"] != "user":
        raise ValueError("the message before the answer must be the user's")
    system = [m for m in messages[:1] if m["role"] == "system"]
    visible = messages[write:-1] if write == 0 else [*system, *messages[write:-1]]
    return Episode(
        id=str(row.get("id", default_id)),
        written=messages[:write],
        asks=(Ask(visible=visible, answer=messages[-1]["content"]),),
    )


def _message(message: Any, position: int) -> dict[str, str]:
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
