"""Answers in OpenAI's JSON: whole, in pieces, and the list of models."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from deltamem_cli.serving.sessions import Answered

__all__ = ["DONE", "Envelope", "event", "model_card"]

DONE = "data: [DONE]\n\n"
"""The last event of a stream."""


def event(content: dict[str, object]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(content)}\n\n"


def model_card(name: str, *, created: int, adapter: str) -> dict[str, object]:
    """An entry of the list of models."""
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "deltamem",
        "adapter_sha": adapter,
    }


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """The keys that are the same in all pieces of an answer."""

    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, answered: Answered) -> dict[str, object]:
        """The body of a response."""
        return {
            **self._head("chat.completion"),
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": answered.text},
                    "logprobs": None,
                    "finish_reason": _finish(answered),
                }
            ],
            "usage": _usage(answered),
            "memory": _memory(answered),
        }

    def piece(self, text: str, *, first: bool) -> dict[str, object]:
        """A piece of the text; the first one says who speaks."""
        delta = {"role": "assistant", "content": text} if first else {"content": text}
        return {**self._head("chat.completion.chunk"), "choices": [_choice(delta, None)]}

    def last(self, answered: Answered) -> dict[str, object]:
        """The piece that says why the answer ended."""
        choice = _choice({}, _finish(answered))
        return {
            **self._head("chat.completion.chunk"),
            "choices": [choice],
            "memory": _memory(answered),
        }

    def usage(self, answered: Answered) -> dict[str, object]:
        """The piece that a client may ask for after all others."""
        return {
            **self._head("chat.completion.chunk"),
            "choices": [],
            "usage": _usage(answered),
        }

    def _head(self, kind: str) -> dict[str, object]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def _choice(delta: Mapping[str, object], finish: str | None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}


def _finish(answered: Answered) -> str:
    """OpenAI knows no window: an answer that it ended was too long."""
    return "stop" if answered.generation.finish == "stop" else "length"


def _usage(answered: Answered) -> dict[str, int]:
    read, new = answered.generation.prompt_tokens, answered.generation.new_tokens
    return {"prompt_tokens": read, "completion_tokens": new, "total_tokens": read + new}


def _memory(answered: Answered) -> dict[str, object]:
    """Beside OpenAI's keys: what the memory has seen, and what was done to the history."""
    return {"messages": answered.messages, "notes": list(answered.notes)}
