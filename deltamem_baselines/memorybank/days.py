"""A history as MemoryBank keeps it: days, and in them the documents that can be recalled.

    messages           a day                            its documents
    with sessions      a session                        pairs of turns, and the day's summary
    titled passages    all of them, never summarised    passages
    anything else      whole messages, 4,096 tokens     pairs, or chunks of 512 tokens of long texts

A history of one day has no day summaries: the overview is its summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from deltamem.backbone import Messages
from deltamem_base.faults import InvalidInput
from deltamem_baselines.memorybank.forgetting import day_numbers
from deltamem_baselines.retrieval.units import (
    TokenStarts,
    Unit,
    sessions,
    shown,
    split_units,
    text_kind,
)

__all__ = [
    "Day",
    "Document",
    "Segmentation",
    "compose",
    "make_days",
    "make_documents",
    "neighbours",
    "unit_text",
]


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """How a history is cut where it does not say so itself, in tokens of the backbone.

    Raises:
        InvalidInput: sizes below one.
    """

    day_tokens: Annotated[int, Ge(1)] = 4096
    """Tokens of a day where there are no sessions."""
    document_tokens: Annotated[int, Ge(1)] = 512
    """Tokens of a document where there are no turns."""

    def __post_init__(self) -> None:
        if min(self.day_tokens, self.document_tokens) < 1:
            raise InvalidInput(
                f"day_tokens is {self.day_tokens} and document_tokens {self.document_tokens}; use "
                "at least 1"
            )


@dataclass(frozen=True, kw_only=True)
class Day:
    """Messages of one day."""

    units: tuple[Unit, ...]
    label: str
    """The line above it: the date, where the history tells it."""
    number: float
    """When it was, in days."""
    text: str
    """All that was said, to be summarised; empty where nothing is to be."""
    paired: bool
    """Whether its units are pairs of turns."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text that is found by its vector: a unit of a day, or the day's summary."""

    day: int
    text: str
    unit: Unit | None = None
    """None for a summary."""


def make_days(
    messages: Messages, segments: Segmentation, *, token_starts: TokenStarts
) -> list[Day]:
    """The days of a history, in its order; see the module."""
    if not messages:
        return []
    kind = text_kind(messages)
    lengths = [len(token_starts(message["content"])) for message in messages]
    dated = all(message.get("session") is not None for message in messages)
    if kind == "passages":
        groups = [list(range(len(messages)))]
    elif dated:
        groups = sessions(messages, range(len(messages)))
    else:
        groups = _packed(lengths, segments.day_tokens)
    roles = {message["role"] for message in messages}
    size = segments.document_tokens
    paired = (kind == "turns" or len(roles) > 1) and max(lengths) <= size
    unit = "message" if kind == "passages" else "pair" if paired else "chunk"
    labels = [_label(messages[group[0]], i) for i, group in enumerate(groups)]
    numbers = day_numbers(labels, [messages[group[0]].get("session") for group in groups])
    return [
        Day(
            units=tuple(
                split_units(messages, unit, size=size, token_starts=token_starts, among=group)
            ),
            label=label,
            number=number,
            text=""
            if kind == "passages"
            else "\n".join(messages[n]["content"] for n in group).strip(),
            paired=unit == "pair",
        )
        for group, label, number in zip(groups, labels, numbers, strict=True)
    ]


def make_documents(
    messages: Messages, days: Sequence[Day], summaries: Sequence[str]
) -> list[Document]:
    """All that can be recalled, in the order of the history; a day's summary before its units."""
    documents = []
    for number, (day, summary) in enumerate(zip(days, summaries, strict=True)):
        if summary:
            documents.append(Document(day=number, text=f"{day.label}\nSummary: {summary}"))
        documents += [
            Document(day=number, text=unit_text(messages, unit), unit=unit) for unit in day.units
        ]
    return documents


def unit_text(messages: Messages, unit: Unit) -> str:
    """A unit as it would be shown alone, with its date in front."""
    return "\n".join(message["content"] for message in shown(messages, [unit]))


def neighbours(
    documents: Sequence[Document], hit: int, *, alive: Sequence[bool], chars: int
) -> list[int]:
    """A hit with what was said around it on the same day, up to ``chars`` characters together.

    The nearer comes first, of two as near the later; a side ends at what is forgotten, not of that
    day, or too long.
    """
    found, length = [hit], len(documents[hit].text)
    open_sides = [1, -1]
    for distance in range(1, len(documents)):
        for side in list(open_sides):
            i = hit + side * distance
            inside = 0 <= i < len(documents) and alive[i]
            same = inside and documents[i].day == documents[hit].day
            if same and documents[i].unit and length + len(documents[i].text) <= chars:
                found.append(i)
                length += len(documents[i].text)
            else:
                open_sides.remove(side)
        if not open_sides:
            break
    return found


def compose(
    messages: Messages,
    documents: Sequence[Document],
    chosen: Sequence[int],
    *,
    overview: str,
    join: str | None,
) -> list[Mapping[str, str]]:
    """Messages that show the overview and then the chosen documents, in their order."""
    items: list[Unit | Mapping[str, str]] = []
    if overview:
        items.append({"role": "user", "content": f"Summary of all days: {overview}"})
    ordered = [documents[i] for i in sorted(set(chosen))]
    items += [d.unit or {"role": "user", "content": d.text} for d in ordered]
    return shown(messages, items, join=join)


def _packed(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Whole messages, up to ``size`` tokens together; a longer one is a day by itself."""
    groups: list[list[int]] = []
    room = 0
    for number, length in enumerate(lengths):
        if not groups or length > room:
            groups.append([])
            room = size
        groups[-1].append(number)
        room -= length
    return groups


def _label(message: Mapping[str, str], number: int) -> str:
    """The first line of the preamble, else the day's number."""
    return message.get("preamble", "").strip().partition("\n")[0] or f"Day {number + 1}"
