"""Which messages of a request its session has not seen yet: each is written to the memory once.

Clients differ: some send the whole conversation each time, some its newest part, some only what is
new. So whatever stands before the newest message must be what the session saw last, or must begin
with all that it saw and go on. The first is written already; of the second only what goes on is
written. Anything else is another conversation, which would not be written over in silence: 409.

seen  a b c d        sent  x         nothing to write; x is answered
                     sent  c d x     nothing to write
                     sent  a b c d x nothing to write
                     sent  a b c d e f x    e and f are written
                     sent  a b x     409: c and d would be a lie
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from deltamem_cli.serving.refusal import Refusal

__all__ = ["check_instructions", "unseen_turns"]

THOUGHT = "</think>"
"""Ends what many clients do not send back of an answer."""
NOT_AGAIN = {"x-should-retry": "false"}
"""Header by which OpenAI's client learns that the same request will fail again."""


def unseen_turns(
    seen: Sequence[Mapping[str, str]], sent: Sequence[Mapping[str, str]]
) -> list[tuple[str, str]]:
    """The turns, user's message and answer, that are to be written before the newest message.

    Args:
        seen: messages of the session, without instructions; a user's first, an answer last.
        sent: those that a request has before its newest, in turns up to an answer.

    Raises:
        Refusal: they are not those of the session, or do not begin with a user's message.
    """
    known, told = [_compared(m) for m in seen], [_compared(m) for m in sent]
    if len(told) <= len(known) and known[len(known) - len(told) :] == told:
        return []
    if told[: len(known)] != known:
        raise Refusal(
            f"the {len(sent)} messages before the newest one do not fit this session: they must be "
            f"the last of its {len(seen)} messages, or begin with all of them; send only the "
            "newest message, or name another session",
            status=409,
            code="another_history",
            param="messages",
            headers=NOT_AGAIN,
        )
    fresh = sent[len(known) :]
    if fresh[0]["role"] != "user":
        raise Refusal("the first message must be the user's", param="messages")
    return [(a["content"], b["content"]) for a, b in zip(fresh[::2], fresh[1::2], strict=True)]


def check_instructions(kept: str | None, sent: str | None) -> None:
    """Refuse instructions that are not those a session began with; none are always fine.

    Raises:
        Refusal: they differ.
    """
    if sent is not None and sent.strip() != (kept or "").strip():
        raise Refusal(
            "the system message is not the one that this session began with: leave it out, or name "
            "another session",
            status=409,
            code="another_history",
            param="messages",
            headers=NOT_AGAIN,
        )


def _compared(message: Mapping[str, str]) -> tuple[str, str]:
    """A message without what a client may leave out of it."""
    text = message["content"]
    if message["role"] == "assistant":
        text = text.rpartition(THOUGHT)[2]
    return message["role"], text.strip()
