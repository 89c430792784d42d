"""How MemoryBank forgets: Ebbinghaus' curve over the days since a memory was last recalled.

    R = e^(−t / (τ · S))     a memory stays with probability R (arXiv 2305.10250)

t counts days, S is the strength of the memory: 1 at first, one more with every recall, which also
takes t back to 0. τ is 1. The published code has e^(−t · S / 5) instead, by which a stronger memory
is forgotten sooner; ``legacy`` reproduces it for audits.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated

from annotated_types import Ge, Gt

from deltamem_base.faults import InvalidInput, check_choice

__all__ = ["DECAYS", "Forgetting", "Strength", "day_numbers", "retention"]

DECAYS = ("paper", "legacy")
SCALES = {"paper": 1.0, "legacy": 5.0}
"""Days; the published code's 5 is in no text."""

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
NAMED = r"(?P<month>" + "|".join(MONTHS) + r")[a-z]*\.?"
DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<year>\d{4})[-/](?P<month>\d{1,2})[-/](?P<day>\d{1,2})",
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{NAMED},?\s+(?P<year>\d{{4}})",
        rf"\b{NAMED}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})",
    )
)


@dataclass(frozen=True)
class Strength:
    """How well one memory is held."""

    last: float
    """Day of its last recall; at first the day it was made."""
    strength: int = 1

    def recalled(self, now: float) -> Strength:
        """One stronger, and fresh."""
        return replace(self, last=now, strength=self.strength + 1)


@dataclass(frozen=True, kw_only=True)
class Forgetting:
    """The rule by which memories are lost, each by a draw of its own: of the seed and its text.

    So what is forgotten once stays forgotten while days go by, in whatever order and in however
    many pieces a history was written.
    """

    decay: str = "paper"
    time_scale: Annotated[float, Gt(0)] | None = None
    """τ in days; None is 1, and 5 for ``legacy``."""
    seed: Annotated[int, Ge(0)] = 0

    def __post_init__(self) -> None:
        check_choice("decay", self.decay, DECAYS)
        if self.time_scale is not None and self.time_scale <= 0:
            raise InvalidInput(f"time_scale is {self.time_scale}; it must be above 0 days")

    def keeps(self, text: str, held: Strength, *, now: float) -> bool:
        """Whether the memory with this text is still there on day ``now``."""
        stays = retention(
            now - held.last, held.strength, decay=self.decay, time_scale=self.time_scale
        )
        return random.Random(f"{self.seed} {text}").random() < stays


def retention(
    days: float, strength: int, *, decay: str = "paper", time_scale: float | None = None
) -> float:
    """The probability R that a memory is still there; see the module.

    >>> retention(0, 1)
    1.0
    """
    scale = SCALES[decay] if time_scale is None else time_scale
    ratio = days * strength / scale if decay == "legacy" else days / (scale * strength)
    return math.exp(-max(ratio, 0.0))


def day_numbers(labels: Sequence[str], sessions: Sequence[str | None]) -> list[float]:
    """When the days of a history were: by their dates, else by session numbers, else in order.

    Args:
        labels: what is written above each day, such as ``DATE: 1:56 pm on 8 May, 2023``.
        sessions: the number of each session, as text.
    """
    dates = [_date(label) for label in labels]
    if all(found is not None for found in dates):
        return [float(found.toordinal()) for found in dates if found is not None]
    if all(session is not None and session.isdecimal() for session in sessions):
        return [float(session) for session in sessions if session is not None]
    return [float(number) for number in range(len(labels))]


def _date(text: str) -> date | None:
    for pattern in DATES:
        if match := pattern.search(text):
            month = match["month"].lower()
            number = int(month) if month.isdecimal() else MONTHS.index(month[:3]) + 1
            try:
                return date(int(match["year"]), number, int(match["day"]))
            except ValueError:
                continue
    return None
