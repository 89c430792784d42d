"""How surprising the right answer is: a measure that still moves where no answer is right.

    reference_nll = -1/n * sum of log p(r_t | what the method shows and holds, question, r_<t)

over the n tokens of the first reference as the assistant's turn, its end included, in nats. Lower
is better. It is weighed under the very context and state that the answer is generated from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deltamem_evaluations.metrics.statistics import Metric, ScoredQuestion, summarise

__all__ = ["MEANING", "REFERENCE_NLL", "Weighed", "likelihood_metrics", "shown_as"]

REFERENCE_NLL = "reference_nll"
MEANING = f"{REFERENCE_NLL}: nats a token of the first reference; lower is better"


def shown_as(metric: str) -> tuple[float, int]:
    """Factor and digits that a metric is shown with: nats as they are, shares in percent."""
    return (1.0, 3) if metric == REFERENCE_NLL else (100.0, 1)


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """A question with the weight of its reference."""

    nats: float | None
    """None where it was not weighed."""
    history: str
    groups: tuple[str, ...]


def likelihood_metrics(questions: Sequence[Weighed]) -> Mapping[str, Metric]:
    """The mean with its interval over whole histories, by the name of the metric.

    Nothing where fewer than two questions are weighed, which leaves no interval.
    """
    scores = [
        ScoredQuestion(score=q.nats, history=q.history, groups=q.groups)
        for q in questions
        if q.nats is not None
    ]
    return {REFERENCE_NLL: summarise(scores, bounded=False)} if len(scores) > 1 else {}
