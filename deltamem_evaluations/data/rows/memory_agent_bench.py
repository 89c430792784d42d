"""Rows of MemoryAgentBench: one text with up to 200 questions."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from deltamem_evaluations.data.rows.schema import RowModel, Scalar, Text, Written

__all__ = ["MabMetadata", "MabRow"]


def _listed(answer: object) -> object:
    """A single reference may stand without its list."""
    return answer if isinstance(answer, list) else [answer]


def _some(references: list[str]) -> list[str]:
    if not references:
        raise ValueError("is an empty list: there is no answer")
    return references


References = Annotated[list[Scalar], BeforeValidator(_listed), AfterValidator(_some)]


class MabMetadata(RowModel):
    """The part of a row's metadata that is used."""

    source: Text
    qa_pair_ids: list[Scalar | None] | None = None
    question_types: list[Scalar | None] | None = None
    question_ids: list[Scalar | None] | None = Field(default=None, exclude=True)
    """Ids of LongMemEval's questions; no prompt and no score without a judge is made of them."""
    keypoints: list[Scalar] | None = Field(default=None, exclude=True)
    """Facts that a complete summary has, for its judge alone."""


class MabRow(RowModel):
    """A text with its questions and their references."""

    split: Text | None = Field(default=None, exclude=True)
    """Split of the data set, where a copy has a column for it."""
    context: Written
    questions: list[Text]
    answers: list[References]
    metadata: MabMetadata

    @model_validator(mode="after")
    def _aligned(self) -> MabRow:
        if len(self.questions) != len(self.answers):
            raise ValueError(
                f"there are {len(self.questions)} questions and {len(self.answers)} answers"
            )
        return self

    def pair_id(self, number: int) -> str | None:
        """The benchmark's own id of a question."""
        return _at(self.metadata.qa_pair_ids, number)

    def question_type(self, number: int) -> str | None:
        """The kind of a question, where its source has kinds."""
        return _at(self.metadata.question_types, number)

    def question_id(self, number: int) -> str | None:
        """The id that a question has in the benchmark that it comes from."""
        return _at(self.metadata.question_ids, number)


def _at(values: list[str | None] | None, number: int) -> str | None:
    return values[number] if values is not None and number < len(values) else None
