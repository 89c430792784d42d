"""ROUGE of an answer and a reference, by the rouge-score library, with Porter's stems."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer

__all__ = ["rouge_f1"]


def rouge_f1(kind: str) -> Callable[[str, str], float]:
    """F-measure of an answer and a reference; ``kind`` is ``rougeL`` or ``rougeLsum``."""
    return lambda answer, reference: float(_scorer().score(reference, answer)[kind].fmeasure)


@cache
def _scorer() -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL", "rougeLsum"], use_stemmer=True)
