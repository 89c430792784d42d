"""``bench=facts``: what people say of themselves and others, from a chat made for the occasion.

    history    user: I'm Vera and I am learning the piano. / assistant: Got it. / user: ...
    question   What is Vera learning?
    reference  piano

Groups: the kind of question (``single_hop``, ``two_hop``, ``update``), the same with the number of
statements (``single_hop/4``), whether the names occur in the training split (``seen``, ``unseen``),
and what is asked (``home``). Of single-hop questions also whether it is said of several people
(``said of several``), whom only the name tells apart, or of one (``said of one``), and where the
statement stands (``position 3 of 4``), since a memory that keeps only the first ones hides in an
average. The metric is exact match: of all values of what is asked, the answer names the right one
and no other. No download.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Interval, MinLen

from deltamem_base.faults import InvalidInput, check_choice
from deltamem_evaluations.benchmarks.facts.attributes import ATTRIBUTES
from deltamem_evaluations.benchmarks.facts.dialogues import MOST_STATEMENTS, Question, fact_dialogue
from deltamem_evaluations.benchmarks.facts.people import NAMES, UNSEEN_NAMES
from deltamem_evaluations.generated import KINDS, MAX_NEW_TOKENS, SINGLE_HOP, GeneratedBenchmark
from deltamem_evaluations.sample import Message, Sample

__all__ = ["Facts", "FactsSample"]

VALUE = {
    attribute.name: re.compile(rf"\b(?:{'|'.join(attribute.values)})\b", re.IGNORECASE)
    for attribute in ATTRIBUTES
}
"""Name of an attribute -> any of its values as a word."""
Statements = Annotated[int, Interval(ge=1, le=MOST_STATEMENTS)]
SPLITS = ("validation", "test")
"""Each split has seeds of its own; the training split is endless (``training=facts``)."""


@dataclass(frozen=True, kw_only=True)
class FactsSample(Sample):
    """A question with what its chat was made from, and what is asked."""

    kind: str
    facts: int
    """Statements in the chat."""
    attribute: str


class Facts(GeneratedBenchmark[FactsSample, Question]):
    """Generated chats; see the module."""

    name = "facts"
    em_rule = "set of values of the attribute named equals the reference"

    def __init__(
        self,
        *,
        split: str = "test",
        facts: Annotated[Sequence[Statements], MinLen(1)] = (1, 2, 4, 8, 12),
        kinds: Annotated[Sequence[str], MinLen(1)] = KINDS,
        dialogues: Annotated[int, Ge(1)] = 40,
        questions: Annotated[int, Ge(1)] = 4,
        seed: Annotated[int, Ge(0)] = 0,
        max_new_tokens: Annotated[int, Ge(1)] = MAX_NEW_TOKENS,
    ) -> None:
        """Chats for every kind and number of statements.

        Args:
            split: ``test``, or ``validation`` for choices that are made while training.
            facts: numbers of statements in a chat.
            kinds: kinds of question; two-hop and update need at least two statements.
            dialogues: per kind and number, half of them with names unseen in training.
            questions: per chat at most, drawn at random over its statements.
            seed: the seed of all random draws.
            max_new_tokens: of an answer.

        Raises:
            InvalidInput: a split or kind that does not exist, or sizes that are too small or large.
        """
        check_choice("bench.split", split, SPLITS)
        for kind in kinds:
            check_choice("bench.kinds", kind, KINDS)
        if not facts or min(facts) < 1 or max(facts) > MOST_STATEMENTS:
            raise InvalidInput(
                f"bench.facts is {list(facts)}; numbers from 1 to {MOST_STATEMENTS} are needed"
            )
        for name, size in (("dialogues", dialogues), ("questions", questions)):
            if size < 1:
                raise InvalidInput(f"bench.{name} is {size}; it must be at least 1")
        super().__init__(
            split=split,
            facts=facts,
            kinds=kinds,
            dialogues=dialogues,
            questions=questions,
            seed=seed,
            max_new_tokens=max_new_tokens,
        )

    def draw(
        self, rng: random.Random, kind: str, facts: int, *, unseen: bool
    ) -> tuple[Sequence[Message], Sequence[Question]]:
        """A chat in which people say things of each other."""
        made = fact_dialogue(rng, kind, facts, names=UNSEEN_NAMES if unseen else NAMES)
        return made.messages, made.questions

    def sample(
        self, question: Question, *, id: str, history_id: str, facts: int, groups: tuple[str, ...]
    ) -> FactsSample:
        """The reference is the bare value; it is grouped by attribute and place as well."""
        groups = (*groups, question.attribute)
        # an update is never the first statement: places of all kinds together would compare kinds
        of = "said of several" if question.shared else "said of one"
        single = (of, f"position {question.position} of {facts}")
        return FactsSample(
            id=id,
            history_id=history_id,
            question=question.text,
            asked=question.text,
            references=(question.answer,),
            groups=(*groups, *single) if question.kind == SINGLE_HOP else groups,
            kind=question.kind,
            facts=facts,
            attribute=question.attribute,
        )

    def score_answer(self, sample: FactsSample, answer: str) -> dict[str, float]:
        """Exact match of the values named: {reference} and nothing else, whatever the capitals."""
        named = {value.casefold() for value in VALUE[sample.attribute].findall(answer)}
        return {"em": float(named == {sample.references[0].casefold()})}
