"""A question of MemoryAgentBench, and the prompt that its answer is judged by."""

from __future__ import annotations

from dataclasses import dataclass

from deltamem_evaluations.judging.longmemeval import longmemeval_question
from deltamem_evaluations.judging.rules import Inquiry, asked_once
from deltamem_evaluations.sample import Sample

__all__ = ["MabSample"]


@dataclass(frozen=True, kw_only=True)
class MabSample(Sample):
    """A question with the source that it is from."""

    source: str
    competency: str
    qa_pair_id: str | None
    """The benchmark's own id of the question."""
    question_type: str | None
    """The kind of the question, where its source has kinds."""
    question_id: str | None = None
    """Id that the question has in the benchmark that it comes from."""

    def judged_as_chat(self, answer: str) -> Inquiry | None:
        """The prompt of LongMemEval's judge; None where the row does not say the question's type.

        References stand in it as the list that the benchmark's own script puts there.
        """
        return asked_once(
            longmemeval_question(
                self.question_type,
                question=self.asked,
                reference=str(list(self.references)),
                answer=answer,
                abstention="_abs" in (self.question_id or self.qa_pair_id or ""),
            )
        )
