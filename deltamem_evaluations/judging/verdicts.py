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
from typing import Literal

from deltamem_base.typed_json import read_typed
from deltamem_base.whole_files import write_json
from deltamem_evaluations.judging.rules import JudgeQuestion

__all__ = [
    "VERDICTS",
    "Verdict",
    "Verdicts",
    "judge_name",
    "read_verdicts",
    "scores_by",
    "verdict_key",
]

VERDICTS = "verdicts.json"
"""The file of a run folder that holds them."""
ASKED_AS, AND = ", asked as ", "; "
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
    right: bool

    @classmethod
    def of(
        cls, sample: str, question: JudgeQuestion, *, model: str, said: str, right: bool
    ) -> Verdict:
        """The judgement on a sample's answer."""
        kept = said[:SHOWN].encode("utf-8", "replace").decode()
        return cls(id=sample, model=model, rules=question.rules.said, said=kept, right=right)


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """All judgements of a run, by :func:`verdict_key`."""

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    schema: Literal[1] = 1

    def write(self, folder: Path) -> None:
        """Keep them in the folder of the run.

        Raises:
            CannotWrite: a full disk, or no permission.
        """
        write_json(folder / VERDICTS, asdict(self))


def read_verdicts(folder: Path) -> Verdicts:
    """The judgements of a run; none where nothing was judged.

    Raises:
        InvalidData: a damaged file.
    """
    path = folder / VERDICTS
    return read_typed(path, Verdicts) if path.is_file() else Verdicts()


def judge_name(model: str, rules: Iterable[str]) -> str:
    """Name of a judge, for records: the model, and whose prompts it was given."""
    return f"{model}{ASKED_AS}{AND.join(dict.fromkeys(rules))}"


def scores_by(judge: str, verdicts: Verdicts) -> dict[str, float]:
    """Scores by one judge, 1 or 0 by the id of the question; its last word where it has several.

    Args:
        judge: a name that :func:`judge_name` made.
        verdicts: of a run.
    """
    model, _, rules = judge.rpartition(ASKED_AS)
    known = rules.split(AND)
    return {
        one.id: float(one.right)
        for one in verdicts.verdicts.values()
        if one.model == model and one.rules in known
    }


def verdict_key(question: JudgeQuestion, *, model: str) -> str:
    """Hash of all that decides a judgement."""
    content = json.dumps([model, question.rules.said, question.prompt])
    return hashlib.sha256(content.encode()).hexdigest()
