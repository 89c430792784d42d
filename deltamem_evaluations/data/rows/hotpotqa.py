"""Rows of HotpotQA, in the official form and the hub's, and what they show of their setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from deltamem_evaluations.data.rows.schema import RowModel, Scalar, Text, Whole, Written

__all__ = ["HotpotRow", "setting_of"]

LEVEL = "hard"
"""The one level of the questions that are evaluated on; the training split has two others."""


def _pairs(first: str, second: str) -> BeforeValidator:
    """A list of pairs (official form) from an object of two lists (the hub's), else as it is."""

    def paired(value: object) -> object:
        if isinstance(value, Mapping):
            one, other = value.get(first), value.get(second)
            if not isinstance(one, list) or not isinstance(other, list):
                raise ValueError(f"lacks a list of '{first}' or '{second}'")
            if len(one) != len(other):
                raise ValueError(f"has {len(one)} of '{first}' and {len(other)} of '{second}'")
            value = list(zip(one, other, strict=True))
        if isinstance(value, list):
            return [tuple(item) if isinstance(item, list) else item for item in value]
        return value

    return BeforeValidator(paired)


class HotpotRow(RowModel):
    """A question with its passages."""

    official_id: Scalar | None = Field(default=None, alias="_id", exclude=True)
    id: Scalar | None = Field(default=None, exclude=True)
    question: Written
    answer: Scalar
    type: Text | None = None
    level: Text | None = None
    context: Annotated[list[tuple[Text, list[Text]]], _pairs("title", "sentences")]
    """Title and sentences of each passage."""
    supporting_facts: Annotated[list[tuple[Text, Whole]], _pairs("title", "sent_id")] | None = None

    @property
    def identity(self) -> str | None:
        """The id, which copies in the wild may lack."""
        return self.official_id or self.id

    @property
    def supporting_titles(self) -> list[str]:
        """Titles of the passages that the answer follows from, each once; none where unknown."""
        return list(dict.fromkeys(title for title, _ in self.supporting_facts or ()))

    @property
    def whole(self) -> bool:
        """Whether every passage that the answer follows from is there."""
        return {title for title, _ in self.context}.issuperset(self.supporting_titles)


def setting_of(rows: Sequence[HotpotRow]) -> tuple[str, list[str]]:
    """Setting and split that the rows are of, told by their content.

    In the distractor setting the supporting passages are among the ten, in the fullwiki setting
    only as far as they were found. All questions of the validation split are hard. Hard questions
    of the training split alone cannot be told from those.

    Returns:
        Setting and split, ``distractor, validation`` for the data that is asked for, and every
        difference from that in words.
    """
    setting, of_setting = _setting(rows)
    split, of_split = _split(rows)
    return f"{setting}, {split}", [*of_setting, *of_split]


def _setting(rows: Sequence[HotpotRow]) -> tuple[str, list[str]]:
    """Setting that the passages show, and in words what tells it from the distractor setting."""
    torn = sum(not row.whole for row in rows)
    if torn:
        return "fullwiki", [
            f"{torn} of {len(rows)} questions lack a passage that their answer follows from, as in "
            "HotpotQA's fullwiki setting"
        ]
    bare = sum(not row.supporting_facts for row in rows)
    if bare:
        return "passages unknown", [
            f"{bare} of {len(rows)} questions do not say which passages their answer follows from, "
            "so that the distractor setting cannot be told from the fullwiki one"
        ]
    return "distractor", []


def _split(rows: Sequence[HotpotRow]) -> tuple[str, list[str]]:
    """Split that the levels show, and in words what tells it from the validation split."""
    easier = sum(row.level not in (None, LEVEL) for row in rows)
    if easier:
        return "train", [
            f"{easier} of {len(rows)} questions are not of the level '{LEVEL}', as in HotpotQA's "
            "training split"
        ]
    unknown = sum(row.level is None for row in rows)
    if unknown:
        return "split unknown", [
            f"{unknown} of {len(rows)} questions state no level, so that the validation split "
            "cannot be told from the training split"
        ]
    return "validation", []
