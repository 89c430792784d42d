"""Scores of a free answer against references, any one of which is right: the best one counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from deltamem_evaluations.metrics.rouge import rouge_f1
from deltamem_evaluations.metrics.squad import normalise
from deltamem_evaluations.metrics.text import token_f1

__all__ = ["REFERENCE_METRICS", "ReferenceMetric"]


@dataclass(frozen=True, kw_only=True)
class ReferenceMetric:
    """A score of an answer and one reference, from 0 to 1, with its rule in words."""

    score: Callable[[str, str], float]
    rule: str

    def best(self, answer: str, references: Sequence[str]) -> float:
        """The score of the reference that the answer is closest to."""
        return max(self.score(answer, reference) for reference in references)


def _em(answer: str, reference: str) -> float:
    return float(normalise(answer) == normalise(reference))


def _f1(answer: str, reference: str) -> float:
    return token_f1(normalise(answer).split(), normalise(reference).split())


def _contains(answer: str, reference: str) -> float:
    """Whole words: "Norwegian" does not contain "Norway", nor "nor"."""
    wanted = normalise(reference)
    return float(bool(wanted) and f" {wanted} " in f" {normalise(answer)} ")


NORMALISED = "lower case, ASCII punctuation out, articles out, white space collapsed"
REFERENCE_METRICS: Mapping[str, ReferenceMetric] = {
    "em": ReferenceMetric(score=_em, rule=f"equality; {NORMALISED} (SQuAD)"),
    "f1": ReferenceMetric(score=_f1, rule=f"F1 of bags of tokens; {NORMALISED} (SQuAD)"),
    "contains": ReferenceMetric(
        score=_contains, rule=f"the reference's words stand together in the answer; {NORMALISED}"
    ),
    "rouge_l": ReferenceMetric(
        score=rouge_f1("rougeL"), rule="F-measure of rouge-score's rougeL, stemmed"
    ),
}
"""Metrics by name, in the order of tables."""
