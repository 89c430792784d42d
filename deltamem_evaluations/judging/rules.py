"""The prompt of a judge, and how its reply is read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["JUDGED", "Inquiry", "JudgeQuestion", "JudgeRules", "asked_once", "judged_by"]

JUDGED = "judged"
"""Name of the metric: the mean score of the answers that are judged, where right is 1."""


@dataclass(frozen=True, kw_only=True)
class JudgeRules:
    """One judge of the literature: whose it is, and how it is asked and read."""

    name: str
    """Name of the judge: of the work that it is from."""
    version: int
    """Number of our reading of it: other prompts or another reading have another one."""
    model: str
    """The model that its authors ask."""
    read: Callable[[str], float | None]
    """Reads the verdict of a reply, from 0, which is wrong, to 1; None where it holds none."""
    max_tokens: int | None = None
    """Limit of a reply; None for none."""
    temperature: float = 0.0
    as_json: bool = False
    """Whether the endpoint is asked for a JSON object."""

    @property
    def said(self) -> str:
        """Name and version, for records."""
        return f"{self.name}, version {self.version}"


@dataclass(frozen=True, kw_only=True)
class JudgeQuestion:
    """A prompt about one answer."""

    rules: JudgeRules
    prompt: str


def _only(verdicts: Sequence[float]) -> float:
    (verdict,) = verdicts
    return verdict


@dataclass(frozen=True, kw_only=True)
class Inquiry:
    """All that a judge is asked about one answer, and the score that follows."""

    questions: Sequence[JudgeQuestion]
    score: Callable[[Sequence[float]], float] = _only
    """Makes the answer's score, 0 to 1, of the verdicts in the order of the questions."""


def asked_once(question: JudgeQuestion | None) -> Inquiry | None:
    """The inquiry of a single question, whose verdict is the score."""
    return None if question is None else Inquiry(questions=(question,))


def judged_by(judge: str, metric: str = JUDGED) -> str:
    """Name of a metric in tables, which says who judged."""
    return f"{metric}, by {judge}"
