"""The part of a message that is never compressed: titles, speakers and dates stay as they are."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["tail", "verbatim"]


def verbatim(message: Mapping[str, str]) -> str:
    """The beginning of a message that says whose or what it is: preamble, then title or speaker.

    >>> verbatim({"content": "DATE: 8 May Ada: Hi", "preamble": "DATE: 8 May ", "speaker": "Ada"})
    'DATE: 8 May Ada'
    """
    content, preamble = message["content"], message.get("preamble", "")
    end = len(preamble) if content.startswith(preamble) else 0
    title, speaker = message.get("title"), message.get("speaker")
    if title:
        found = content[end:].partition("\n")[0].find(title)
        return content[: end + found + len(title)] if found >= 0 else content[:end]
    if speaker and content.startswith(speaker, end):
        return content[: end + len(speaker)]
    return content[:end]


def tail(message: Mapping[str, str]) -> str:
    """The rest of a message, which is compressed."""
    return message["content"][len(verbatim(message)) :]
