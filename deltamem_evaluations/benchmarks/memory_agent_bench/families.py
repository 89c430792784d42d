"""The eight families of MemoryAgentBench's sources: what is asked of each, and how it is scored.

Facts of the benchmark's configuration files (Hu et al., 2026): answers of at most so many tokens,
metrics. Two families are judged by a language model there; offline they get substitutes that say
so in their names.
"""

from __future__ import annotations

from dataclasses import dataclass

from deltamem_evaluations.metrics.mab_films import RECALLED

__all__ = [
    "CHATS",
    "DETECTIVE",
    "DOCUMENTS",
    "EVENTS",
    "FACTS",
    "FILMS",
    "LABELS",
    "SPLITS",
    "SUMMARIES",
    "Family",
]

SPLITS = (
    "Accurate_Retrieval",
    "Test_Time_Learning",
    "Long_Range_Understanding",
    "Conflict_Resolution",
)
"""The hub's names of the four competencies."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Sources that are asked, answered and scored alike."""

    name: str
    """Key of its templates, as in the benchmark's own file of templates."""
    split: str
    max_new_tokens: int
    metrics: tuple[str, ...]
    """Metrics by the benchmark's rules; the first is the score."""
    paper_metrics: tuple[str, ...] = ("accuracy", "accuracy_by_words")
    """Metrics behind the paper's tables; the first is the score."""
    judged: bool = False
    """Judged by a language model in the benchmark; our score is a substitute."""
    by_title: bool = False
    """References are ids of films, and answers name films."""

    @property
    def competency(self) -> str:
        """Group of its scores."""
        return self.split.lower()


SUBSTRING = ("substring_em", "substring_em_by_words")
RECALLS = tuple(f"recall@{at}{how}" for how in ("", "_by_titles") for at in RECALLED)

DOCUMENTS = Family(
    name="ruler_qa",
    split="Accurate_Retrieval",
    max_new_tokens=50,
    metrics=SUBSTRING,
)
EVENTS = Family(
    name="eventqa",
    split="Accurate_Retrieval",
    max_new_tokens=40,
    metrics=("line_substring_em", "eventqa_recall", "line_substring_em_by_words"),
)
CHATS = Family(
    name="longmemeval",
    split="Accurate_Retrieval",
    max_new_tokens=50,
    metrics=("unjudged_substring_em", "unjudged_substring_em_by_words"),
    paper_metrics=("unjudged_accuracy", "unjudged_accuracy_by_words"),
    judged=True,
)
LABELS = Family(
    name="in_context_learning",
    split="Test_Time_Learning",
    max_new_tokens=20,
    metrics=("line_exact_match", "label_exact_match"),
)
FILMS = Family(
    name="recsys_redial",
    split="Test_Time_Learning",
    max_new_tokens=300,
    metrics=RECALLS,
    paper_metrics=RECALLS,
    by_title=True,
)
SUMMARIES = Family(
    name="infbench_sum",
    split="Long_Range_Understanding",
    max_new_tokens=1200,
    metrics=("unjudged_f1", "rougeL_f1", "rougeLsum_f1"),
    paper_metrics=("unjudged_paper_f1",),
    judged=True,
)
DETECTIVE = Family(
    name="detective_qa",
    split="Long_Range_Understanding",
    max_new_tokens=2000,
    metrics=("exact_match", "json_exact_match"),
)
FACTS = Family(
    name="factconsolidation",
    split="Conflict_Resolution",
    max_new_tokens=10,
    metrics=SUBSTRING,
)
