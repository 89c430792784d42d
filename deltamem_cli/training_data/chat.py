"""Any chat data set of the hub, or a file of its rows: messages, or conversations of from/value.

The last answer of the assistant is the target. The user's message before it is visible, everything
before that is written; what the user says after it is left out, and a conversation without anything
to remember is rejected. Both are counted, the latter by its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from deltamem.training import Episode, episodes_sha, joined_by_history, parse_episode
from deltamem_base.faults import InvalidData, InvalidInput
from deltamem_cli.errors import UsageError
from deltamem_cli.training_data.training_data import TrainingData, split_off
from deltamem_evaluations.data.rows.files import Row
from deltamem_evaluations.data.sources import HubSource, load_rows

__all__ = ["ChatData"]

COLUMNS = ("messages", "conversations", "conversation")
ROLES = {"human": "user", "gpt": "assistant", "model": "assistant", "bot": "assistant"}
"""Words for roles that data sets use beside system, user and assistant."""


@dataclass(frozen=True, kw_only=True)
class ChatData:
    """Conversations, of which the last ``held_out`` are only evaluated on."""

    id: str | None
    """The data set on the hub."""
    path: str | None
    """A file or folder of rows, taken in place of the hub's."""
    config: str | None
    """Name of a configuration of the hub's data set, where it has several."""
    revision: str | None
    """Commit or branch; the commit is what is stored."""
    split: str
    messages_column: str | None
    """None takes ``messages``, ``conversations`` or ``conversation``, whichever is there."""
    together: Annotated[int, Ge(1)]
    """Questions about one history that make one episode at most; 1, as in the paper's recipe, has
    each be an episode."""
    max_chars: Annotated[int, Ge(1)]
    """Characters of visible messages and answer together; longer ones are rejected."""
    held_out: Annotated[int, Ge(0)]

    def sources(self) -> list[HubSource]:
        """The data set on the hub.

        Raises:
            UsageError: none was named.
        """
        if self.id is None:
            raise UsageError("name a data set of the hub with data.id=ID")
        return [self._source(self.id)]

    def load(self) -> TrainingData:
        """Read, and reject what makes no episode.

        Raises:
            UsageError: neither a hub id nor a path.
            Unavailable: the data is not here and cannot be fetched.
            InvalidData: no such column or split.
            InvalidInput: too few conversations.
        """
        if self.id is None and self.path is None:
            raise UsageError(
                "name the chat data with training.data.id=HUB_ID or training.data.path=FILE"
            )
        name = self.id or str(self.path)
        rows, data = load_rows(self._source(name), given=self.path)
        episodes, rejected, unanswered = self._episodes(rows, name)
        if not episodes:
            raise InvalidInput(f"{name}: none of {len(rows)} rows can be used ({_said(rejected)})")
        episodes = joined_by_history(episodes, self.together)
        split = split_off(episodes, self.held_out, name=name)
        facts = {
            "data": f"{self.id}, {self.split}" if self.path is None else Path(self.path).name,
            "revision": data.revision,
            "rows": len(rows),
            "rejected": dict(sorted(rejected.items())),
            "without the user's last words": unanswered,
            "episodes": split,
            "held out": self.held_out,
            "sha256": episodes_sha(episodes),
        }
        return TrainingData(episodes=episodes[:split], held_out=episodes[split:], source=facts)

    def _episodes(self, rows: Sequence[Row], name: str) -> tuple[list[Episode], Counter[str], int]:
        """Episodes, rejected rows by reason, and how many episodes lost the user's last words."""
        column = self._column(rows, name)
        rejected: Counter[str] = Counter()
        episodes: list[Episode] = []
        unanswered = 0
        for number, row in enumerate(rows, 1):
            messages = _messages(row.values.get(column))
            whole = len(messages)
            if not isinstance(messages, str):
                messages = _answered(messages)
            made = _episode(row, messages, number, self.max_chars)
            unanswered += isinstance(made, Episode) and len(messages) < whole
            if isinstance(made, Episode):
                episodes.append(made)
            else:
                rejected[made] += 1
        return episodes, rejected, unanswered

    def _source(self, name: str) -> HubSource:
        return HubSource(
            id=name,
            config=self.config,
            splits=(self.split,),
            revision=self.revision,
            setting="training.data.path",
        )

    def _column(self, rows: Sequence[Row], name: str) -> str:
        """The column with the messages."""
        there = list(dict.fromkeys(key for row in rows for key in row.values))
        wanted = COLUMNS if self.messages_column is None else (self.messages_column,)
        found = next((column for column in wanted if column in there), None)
        if found is None:
            raise InvalidData(
                f"{name} has no column {' or '.join(wanted)}; it has {', '.join(there) or 'none'}: "
                "name one with training.data.messages_column=COLUMN"
            )
        return found


def _answered(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """The messages up to the last one that is not the user's."""
    last = max((i for i, m in enumerate(messages) if m["role"] != "user"), default=-1)
    return messages[: last + 1]


def _episode(
    row: Row, messages: list[dict[str, str]] | str, number: int, max_chars: int
) -> Episode | str:
    """An episode, or why the row makes none."""
    if isinstance(messages, str):
        return messages
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        return "no answer of the assistant's"
    if messages[-2]["role"] != "user":
        return "no user's message before the answer"
    if not [m for m in messages[:-2] if m["role"] != "system"]:
        return "nothing to write: a single exchange"
    named = {} if row.values.get("id") is None else {"id": row.values["id"]}
    episode = parse_episode({"messages": messages, **named}, default_id=f"row-{number}")
    asked = sum(len(m["content"]) for m in episode.asks[0].visible)
    if asked + len(episode.asks[0].answer) > max_chars:
        return f"question and answer above {max_chars} characters"
    return episode


def _messages(value: object) -> list[dict[str, str]] | str:
    """Messages of role and content, or why there are none."""
    if not isinstance(value, list) or not value:
        return "no messages"
    messages: list[dict[str, str]] = []
    for position, entry in enumerate(value):
        if not isinstance(entry, Mapping):
            return "a message that is not an object"
        role = entry.get("role", entry.get("from"))
        role = ROLES.get(role, role) if isinstance(role, str) else role
        content = _text(entry.get("content", entry.get("value")))
        if role not in ("system", "user", "assistant"):
            return "a role other than system, user and assistant"
        if role == "system" and position:
            return "a system message after the first message"
        if content is None or not content.strip():
            return "a message without text"
        messages.append({"role": role, "content": content})
    return messages


def _text(content: object) -> str | None:
    """A text, or the texts of a list of parts; None where a part is something else."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, Mapping) else None for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        content = "".join(texts) if len(texts) == len(parts) else None
    return content if isinstance(content, str) else None


def _said(rejected: Counter[str]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in sorted(rejected.items()))
