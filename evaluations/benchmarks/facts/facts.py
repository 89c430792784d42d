"""``bench=facts``: what people say of themselves and others, from a chat made for the occasion.

    history    user: I'm Vera and I am learning the piano. / assistant: Got it. / user: ...
    question   What is Vera learning?
    reference  piano

Groups: the kind of question (``single_hop``, ``two_hop``, ``update``), the same with the number of
statements (``single_hop/4``), whether the names occur in the training split (``seen``, ``unseen``),
and what is asked (``home``); of single-hop questions also where the statement stands that they are
about (``position 3 of 4``), since a memory that keeps only the first ones hides in an average. The
metric is exact match: of all values of what is asked, the answer names the right one and no
other. No download.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Interval, MinLen

from deltamem_base.faults import InvalidInput, check_choice
from evaluations.benchmark import Benchmark, Data, Entry, check_new_tokens, digest_of
from evaluations.benchmarks.facts.attributes import ATTRIBUTES
from evaluations.benchmarks.facts.dialogues import (
    KINDS,
    MOST_STATEMENTS,
    SINGLE_HOP,
    Question,
    fact_dialogue,
    least,
)
from evaluations.benchmarks.facts.people import NAMES, UNSEEN_NAMES
from evaluations.sample import Decoding, History, Sample

__all__ = ["Facts", "FactsSample"]

VALUE = {
    attribute.name: re.compile(rf"\b(?:{'|'.join(attribute.values)})\b", re.IGNORECASE)
    for attribute in ATTRIBUTES
}
"""Name of an attribute -> any of its values as a word."""
Statements = Annotated[int, Interval(ge=1, le=MOST_STATEMENTS)]
SPLITS = ("validation", "test")
"""Each split has seeds of its own; the training split is endless (``training=facts``)."""
MAX_NEW_TOKENS = 24


@dataclass(frozen=True, kw_only=True)
class FactsSample(Sample):
    """A question with what its chat was made from, and what is asked."""

    kind: str
    facts: int
    """Statements in the chat."""
    attribute: str


class Facts(Benchmark[FactsSample]):
    """Generated chats; see the module."""

    primary_metric = "em"
    texts_may_be_shared = True

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
            split: ``test``, or ``validation`` for choices made while training.
            facts: numbers of statements in a chat.
            kinds: kinds of question; two-hop and update need at least two statements.
            dialogues: per kind and number, half of them with names unseen in training.
            questions: per chat at most, drawn at random over its statements.
            seed: of everything that is drawn.
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
        self.split, self.facts, self.kinds = split, tuple(facts), tuple(kinds)
        self.dialogues, self.questions, self.seed = dialogues, questions, seed
        check_new_tokens(max_new_tokens)
        self.max_new_tokens = max_new_tokens

    def read(self) -> tuple[Data, list[Entry[FactsSample]]]:
        """Generate the split; the same for the same settings on any machine.

        Raises:
            InvalidInput: no number of statements is enough for any kind.
        """
        self._histories: dict[str, History] = {}
        entries = [
            self._entry(kind, facts, number)
            for kind in self.kinds
            for facts in self.facts
            if facts >= least(kind)
            for number in range(self.dialogues)
        ]
        if not entries:
            raise InvalidInput(
                f"bench.kinds={list(self.kinds)} with bench.facts={list(self.facts)} leaves no "
                "question: two_hop and update need at least 2 statements"
            )
        return Data(source="generated", revision=f"seed {self.seed}"), entries

    def _entry(self, kind: str, facts: int, number: int) -> Entry[FactsSample]:
        history_id = f"{self.split}-{kind}-{facts}-{number}"
        unseen = self.split == "test" and number % 2 == 1
        rng = random.Random(f"facts {self.seed} {history_id}")
        made = fact_dialogue(rng, kind, facts, names=UNSEEN_NAMES if unseen else NAMES)
        self._histories[history_id] = History(messages=made.messages)
        asked = [q for q in made.questions if q.kind == kind]
        chosen = rng.sample(asked, min(self.questions, len(asked)))
        samples = [
            FactsSample(
                id=f"{history_id}-q{i}",
                history_id=history_id,
                question=question.text,
                asked=question.text,
                references=(question.answer,),
                groups=_groups(question, facts=facts, unseen=unseen),
                kind=kind,
                facts=facts,
                attribute=question.attribute,
            )
            for i, question in enumerate(chosen)
        ]
        return Entry(
            where=f"bench.kinds={list(self.kinds)} with bench.facts={list(self.facts)}",
            history_id=history_id,
            samples=samples,
            content=digest_of([made.messages, [[q.text, q.answer] for q in chosen]]),
        )

    def history(self, history_id: str) -> History:
        """The chat."""
        return self._histories[history_id]

    def decoding(self, sample: FactsSample) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self.max_new_tokens)

    def usual_limit(self, sample: FactsSample) -> int:
        """The default of ``max_new_tokens``."""
        return MAX_NEW_TOKENS

    def score_answer(self, sample: FactsSample, answer: str) -> dict[str, float]:
        """Exact match of the values named: {reference} and nothing else, whatever the capitals."""
        named = {value.casefold() for value in VALUE[sample.attribute].findall(answer)}
        return {"em": float(named == {sample.references[0].casefold()})}

    def protocol(self) -> Mapping[str, Any]:
        """Everything that decides the samples and their scores."""
        return {
            "benchmark": "facts",
            "version": 1,
            "split": self.split,
            "kinds": self.kinds,
            "facts": self.facts,
            "dialogues": self.dialogues,
            "questions": self.questions,
            "seed": self.seed,
            "decoding": {"greedy": True, "max_new_tokens": self.max_new_tokens},
            "metrics": {"em": "set of values of the attribute named equals the reference"},
        }


def _groups(question: Question, *, facts: int, unseen: bool) -> tuple[str, ...]:
    kind = question.kind
    groups = (kind, f"{kind}/{facts}", "unseen" if unseen else "seen", question.attribute)
    # an update is never the first statement: positions of all kinds together would compare kinds
    place = f"position {question.position} of {facts}"
    return (*groups, place) if kind == SINGLE_HOP else groups
