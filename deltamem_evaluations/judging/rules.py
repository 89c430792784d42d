"""The prompt of a judge, and how its reply is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["JUDGED", "JudgeQuestion", "JudgeRules", "judged_by"]

JUDGED = "judged"
"""Name of the metric: the share of answers that the judge calls right."""


@dataclass(frozen=True, kw_only=True)
class JudgeRules:
    """One judge of the literature: whose it is, and how it is asked and read."""

    name: str
    """Name of the judge: of the work that it is from."""
    version: int
    """Number of our reading of it: other prompts or another reading have another one."""
    model: str
    """The model that its authors ask."""
    read: Callable[[str], bool | None]
    """From a reply to its verdict; None where the reply holds none."""
    max_tokens: int | None = None
    """Limit of a reply; None for none."""
    as_json: bool = False
    """Whether the endpoint is asked for a JSON object."""

    @property
    def said(self) -> str:
        """Name and version, for records."""
        return f"{self.name}, version {self.version}"


@dataclass(frozen=True, kw_only=True)
class JudgeQuestion:
    """The prompt about one answer."""

    rules: JudgeRules
    prompt: str


def judged_by(judge: str, metric: str = JUDGED) -> str:
    """Name of a metric in tables, which says who judged."""
    return f"{metric}, by {judge}"
