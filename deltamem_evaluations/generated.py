"""Benchmarks whose dialogues are made from a seed, so many for each kind of question and size."""

from __future__ import annotations

import random
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, Protocol

from typing_extensions import TypeVar

from deltamem_base.faults import InvalidInput
from deltamem_evaluations.benchmark import Benchmark, Data, Entry, check_new_tokens, digest_of
from deltamem_evaluations.sample import Decoding, History, Message, Sample

__all__ = [
    "KINDS",
    "MAX_NEW_TOKENS",
    "SINGLE_HOP",
    "TWO_HOP",
    "UPDATE",
    "GeneratedBenchmark",
    "least",
]

SINGLE_HOP, TWO_HOP, UPDATE = KINDS = ("single_hop", "two_hop", "update")
MAX_NEW_TOKENS = 24

Made = TypeVar("Made", bound=Sample)


class _OfAKind(Protocol):
    @property
    def kind(self) -> str: ...


Question = TypeVar("Question", bound=_OfAKind)


def least(kind: str) -> int:
    """Statements that a dialogue of this kind has at least."""
    return 1 if kind == SINGLE_HOP else 2


class GeneratedBenchmark(Benchmark[Made], Generic[Made, Question]):
    """Dialogues made afresh; half of those of the test split have names unseen in training."""

    primary_metric = "em"
    texts_may_be_shared = True
    name: ClassVar[str]
    """Option of ``bench=``, which is in the seed of every dialogue."""
    em_rule: ClassVar[str]
    """The metric in words."""

    def __init__(
        self,
        *,
        split: str,
        facts: Sequence[int],
        kinds: Sequence[str],
        dialogues: int,
        questions: int,
        seed: int,
        max_new_tokens: int,
    ) -> None:
        """Checked settings: split, statements in a dialogue, kinds of question and sizes.

        Raises:
            InvalidInput: no room for an answer.
        """
        self.split, self.facts, self.kinds = split, tuple(facts), tuple(kinds)
        self.dialogues, self.questions, self.seed = dialogues, questions, seed
        check_new_tokens(max_new_tokens)
        self.max_new_tokens = max_new_tokens

    @abstractmethod
    def draw(
        self, rng: random.Random, kind: str, facts: int, *, unseen: bool
    ) -> tuple[Sequence[Message], Sequence[Question]]:
        """Messages of a dialogue and the questions that can be asked about it."""

    @abstractmethod
    def sample(
        self, question: Question, *, id: str, history_id: str, facts: int, groups: tuple[str, ...]
    ) -> Made:
        """A question as it is asked.

        Args:
            question: one of those of :meth:`draw`.
            id: of the sample.
            history_id: of its dialogue.
            facts: statements in the dialogue.
            groups: its kind, the same with the number of statements, and whether its names occur
                in training.
        """

    def read(self) -> tuple[Data, list[Entry[Made]]]:
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
                f"{self._settings} leaves no question: two_hop and update need at least 2 "
                "statements"
            )
        return Data(source="generated", revision=f"seed {self.seed}"), entries

    @property
    def _settings(self) -> str:
        return f"bench.kinds={list(self.kinds)} with bench.facts={list(self.facts)}"

    def _entry(self, kind: str, facts: int, number: int) -> Entry[Made]:
        history_id = f"{self.split}-{kind}-{facts}-{number}"
        unseen = self.split == "test" and number % 2 == 1
        rng = random.Random(f"{self.name} {self.seed} {history_id}")
        messages, questions = self.draw(rng, kind, facts, unseen=unseen)
        self._histories[history_id] = History(messages=tuple(messages))
        asked = [question for question in questions if question.kind == kind]
        samples = [
            self.sample(
                question,
                id=f"{history_id}-q{i}",
                history_id=history_id,
                facts=facts,
                groups=(kind, f"{kind}/{facts}", "unseen" if unseen else "seen"),
            )
            for i, question in enumerate(rng.sample(asked, min(self.questions, len(asked))))
        ]
        return Entry(
            where=self._settings,
            history_id=history_id,
            samples=samples,
            content=digest_of([messages, [[s.question, s.references[0]] for s in samples]]),
        )

    def history(self, history_id: str) -> History:
        """The dialogue."""
        return self._histories[history_id]

    def decoding(self, sample: Made) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self.max_new_tokens)

    def usual_limit(self, sample: Made) -> int:
        """The default of ``max_new_tokens``."""
        return MAX_NEW_TOKENS

    def protocol(self) -> Mapping[str, object]:
        """Everything that decides the samples and their scores."""
        return {
            "benchmark": self.name,
            "version": 1,
            "split": self.split,
            "kinds": self.kinds,
            "facts": self.facts,
            "dialogues": self.dialogues,
            "questions": self.questions,
            "seed": self.seed,
            "decoding": {"greedy": True, "max_new_tokens": self.max_new_tokens},
            "metrics": {"em": self.em_rule},
        }
