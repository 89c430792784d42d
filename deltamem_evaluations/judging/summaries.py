"""MemoryAgentBench's judge of summaries of novels, which is HELMET's: fluent, complete and true?

    score = fluency * 2 * recall * precision / (recall + precision)

Fluency is 0 or 1, recall the share of the row's key points that the summary has, precision the
share of its sentences that the reference summary supports. Each is asked for on its own. The
prompts hold whole summaries of novels and are not a part of this project: they are read from a
checkout of HUST-AI-HYZ/MemoryAgentBench, whose ``llm_based_eval/summarization_evaluate.py`` is
parsed and never run. Replies are asked for at its temperature, 0.1.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from string import Formatter

from deltamem_base.faults import InvalidData
from deltamem_evaluations.data.python_text import file_of_checkout, plain_constants
from deltamem_evaluations.judging.rules import Inquiry, JudgeQuestion, JudgeRules

__all__ = ["SummaryPrompts", "read_summary_prompts"]

INSIDE = "llm_based_eval/summarization_evaluate.py"
"""The file's place in a checkout."""
FIELDS: Mapping[str, frozenset[str]] = {
    "fluency_prompt_book": frozenset({"text"}),
    "recall_prompt_book": frozenset({"keypoints", "summary"}),
    "precision_prompt_book": frozenset({"expert_summary", "summary"}),
}
"""Names of the three prompts, and the fields that are filled in each."""
OBJECT = re.compile(r"\{[^{}]*\}")
SHOWN = 12
"""Characters of the prompts' hash in the judge's name."""


@dataclass(frozen=True, kw_only=True)
class SummaryPrompts:
    """The benchmark's three prompts, with the fields ``{text}``, ``{summary}`` and so on."""

    fluency: str
    recall: str
    precision: str

    def inquiry(self, *, summary: str, reference: str, key_points: Sequence[str]) -> Inquiry:
        """The three questions about one summary.

        Args:
            summary: of the model.
            reference: the expert's summary.
            key_points: facts that a complete summary has.
        """
        text, points = summary.strip(), "\n".join(f"{n}. {p}" for n, p in enumerate(key_points, 1))
        return Inquiry(
            questions=(
                self._question(self.fluency.format(text=text), _share("fluency", of=1)),
                self._question(
                    self.recall.format(keypoints=points, summary=text),
                    _share("recall", of=len(key_points)),
                ),
                self._question(
                    self.precision.format(expert_summary=reference, summary=text),
                    _share("precision", of="sentence_count"),
                ),
            ),
            score=_f1,
        )

    def _question(self, prompt: str, read: Callable[[str], float | None]) -> JudgeQuestion:
        rules = JudgeRules(name=self._name, version=1, model="gpt-4o", read=read, temperature=0.1)
        return JudgeQuestion(rules=rules, prompt=prompt)

    @cached_property
    def _name(self) -> str:
        content = json.dumps([self.fluency, self.recall, self.precision])
        sha = hashlib.sha256(content.encode()).hexdigest()[:SHOWN]
        return f"MemoryAgentBench's judge of summaries (prompts {sha})"


def read_summary_prompts(given: str) -> SummaryPrompts:
    """The benchmark's own prompts, from a checkout or from its file of them.

    Args:
        given: a folder or a file of the user's.

    Raises:
        Unavailable: there is no such file.
        InvalidData: a file without the prompts, or with one that cannot be filled.
    """
    path = file_of_checkout(given, inside=INSIDE, setting="bench.judge_path")
    constants = plain_constants(path)
    fluency, recall, precision = (
        _prompt(constants.get(name), fields, f"{path}, {name}") for name, fields in FIELDS.items()
    )
    return SummaryPrompts(fluency=fluency, recall=recall, precision=precision)


def _prompt(value: object, fields: frozenset[str], where: str) -> str:
    """A prompt with exactly these fields, each filled as it is."""
    if not isinstance(value, str):
        raise InvalidData(f"{where}: there is no text")
    try:
        parts = [part[1:] for part in Formatter().parse(value) if part[1] is not None]
    except ValueError as fault:
        raise InvalidData(f"{where}: {fault}") from fault
    if {name for name, _, _ in parts} != fields or any(spec or how for _, spec, how in parts):
        wanted = " and ".join(f"{{{name}}}" for name in sorted(fields))
        raise InvalidData(f"{where}: the fields that are filled must be {wanted}")
    return value


def _share(name: str, *, of: int | str) -> Callable[[str], float | None]:
    """How a count is read from a reply, as a share of a number or of another count there."""

    def read(reply: str) -> float | None:
        found = _last_object(reply)
        counted, all_ = (
            _count(found.get(name)),
            of if isinstance(of, int) else _count(found.get(of)),
        )
        if counted is None or all_ is None or not 0 <= counted <= all_:
            return None
        return counted / all_ if all_ else 0.0

    return read


def _count(value: object) -> int | None:
    """A whole number, also one that is written as 2.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if type(value) is int else None


def _last_object(reply: str) -> Mapping[str, object]:
    """The last JSON object without another one in it; empty where there is none."""
    for text in reversed(OBJECT.findall(reply)):
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}
    return {}


def _f1(shares: Sequence[float]) -> float:
    fluency, recall, precision = shares
    both = recall + precision
    return fluency * 2 * recall * precision / both if both else 0.0
