"""``verdicts.json`` of a run: every judgement, kept as soon as it is made.

A judgement is known by the hash of its whole question and of the model that was asked, so that
another judge, prompt or answer is asked anew and nothing is ever asked twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Interval

from deltamem_base.faults import InvalidData
from deltamem_base.typed_json import read_typed
from deltamem_base.whole_files import write_json
from deltamem_evaluations.judging.rules import JudgeQuestion

__all__ = [
    "VERDICTS",
    "Verdict",
    "Verdicts",
    "judge_name",
    "read_verdicts",
    "verdict_key",
]

VERDICTS = "verdicts.json"
"""The file of a run folder that holds them."""
Score = Annotated[float, Interval(ge=0, le=1)]
SHOWN = 300
"""Characters of a reply that are kept."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One judgement."""

    id: str
    """Id of the question."""
    model: str
    """The model that judged."""
    rules: str
    """Name of the judge whose prompt it was, and the version of our reading."""
    said: str
    """The beginning of its reply."""
    value: Score
    """1 is right and 0 wrong; of some judges also what lies between."""

    @classmethod
    def of(
        cls, sample: str, question: JudgeQuestion, *, model: str, said: str, value: float
    ) -> Verdict:
        """The judgement of a reply to a question about a sample's answer."""
        kept = said[:SHOWN].encode("utf-8", "replace").decode()
        return cls(id=sample, model=model, rules=question.rules.said, said=kept, value=value)


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """All judgements of a run, and the scores that follow from them."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """Key by :func:`verdict_key` -> verdict."""
    scores: dict[str, dict[str, Score]] = field(default_factory=dict)
    """Scores of the answers by the id of the question, by judge: a name that :func:`judge_name`
    makes."""
    schema: Literal[2] = 2

    def write(self, folder: Path) -> None:
        """Keep them in the folder of the run.

        Raises:
            CannotWrite: a full disk, or no permission.
        """
        write_json(folder / VERDICTS, asdict(self))


def read_verdicts(folder: Path) -> Verdicts:
    """The judgements of a run; none where nothing was judged.

    Raises:
        InvalidData: a damaged file, or one of an earlier version.
    """
    path = folder / VERDICTS
    try:
        return read_typed(path, Verdicts) if path.is_file() else Verdicts()
    except InvalidData as fault:
        raise InvalidData(f"{fault}: remove this file to have the answers judged anew") from fault


def judge_name(model: str, rules: Iterable[str]) -> str:
    """Name of a judge, for records: the model, and whose prompts it was given."""
    return f"{model}, asked as {'; '.join(dict.fromkeys(rules))}"


def verdict_key(question: JudgeQuestion, *, model: str) -> str:
    """Hash of all that decides a judgement."""
    content = json.dumps([model, question.rules.said, question.prompt])
    return hashlib.sha256(content.encode()).hexdigest()
