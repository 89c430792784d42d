"""The texts that the embedded backbone is trained on, step by step.

A model recalls a statement only once it has attention heads that match repeated context. Copying
random sequences brings them, and quickly so if the sequences are first drawn from few tokens. From
then on every other step stays a copy step, and the rest are facts: bare pairs, then sentences, then
dialogues with questions.

    copy        8 3 9 4 | 8 3 9 4 | ...                learnt: everything after the first round
    pairs        Ada Oslo Ben Rome ... Ben Rome         learnt: the place, the second time
    sentences    Today Ada is in Oslo. ...              learnt: the place, the second time
    dialogues   statements, then questions             learnt: the answers
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from deltamem_base.faults import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["LONGEST", "Curriculum", "DialogueSource", "TokenSequence"]

LONGEST = 384
"""No sequence has more tokens: 16 statements, 3 fillers and 4 questions through a friend."""

COPY_LENGTH = 48
COPIED = (4, 16)
"""Shortest and longest random sequence to repeat."""
FIRST_ALPHABET, ALPHABET_DOUBLES = 64, 100
"""Tokens that the first sequences are drawn from; steps until there are twice as many."""
STEADY_ALPHABET = 200
"""Steps before the alphabet grows."""
PAIRS_UNTIL, SENTENCES_UNTIL, HARDEST_AT = 0.25, 0.45, 0.75
"""Shares of the steps after copying at which a stage ends, and at which dialogues are longest."""
BLANK = 0.05
"""Share of dialogues of which nothing but the question is shown: the answer is a guess."""


@dataclass(frozen=True, kw_only=True)
class TokenSequence:
    """Token ids, and which of them are learnt."""

    id: str
    ids: list[int]
    learnt: list[bool]


class Asked(Protocol):
    """A question with the sentence that answers it."""

    @property
    def text(self) -> str:
        """The question."""

    @property
    def answer(self) -> str:
        """The answer."""


class Talk(Protocol):
    """Messages, and questions about them."""

    @property
    def messages(self) -> Sequence[Mapping[str, str]]:
        """Role and content of each."""

    @property
    def questions(self) -> Sequence[Asked]:
        """Questions that can be asked."""


class DialogueSource(Protocol):
    """A source of names, places and dialogues."""

    @property
    def names(self) -> tuple[str, ...]:
        """Who can be somewhere."""

    @property
    def places(self) -> tuple[str, ...]:
        """Places where one can be."""

    def statement(self, name: str, place: str) -> str:
        """The sentence that puts a name in a place."""

    def dialogue(self, rng: random.Random, facts: int, *, plain: bool) -> Talk:
        """A dialogue of ``facts`` statements; ``plain``: only such as are asked directly."""


class Curriculum:
    """Sequence ``i`` of an endless supply; all sequences of one step are of one kind and size."""

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        source: DialogueSource,
        *,
        steps: int,
        copy_steps: int,
        batch: int,
        seed: int,
    ) -> None:
        """``copy_steps`` of the ``steps`` only copy; ``batch`` sequences make a step.

        Raises:
            InvalidInput: ``copy_steps`` is negative.
        """
        if copy_steps < 0:
            raise InvalidInput(f"copy_steps is {copy_steps}; it must be at least 0")
        self.tokenizer, self.source = tokenizer, source
        self.steps, self.copy_steps, self.batch, self.seed = steps, copy_steps, batch, seed
        self._first_word = len(tokenizer.all_special_ids)

    def __len__(self) -> int:
        return self.steps * self.batch

    def __getitem__(self, index: int) -> TokenSequence:
        step = index // self.batch
        plan = random.Random(f"{self.seed} step {step}")
        rng = random.Random(f"{self.seed} sequence {index}")
        if step < self.copy_steps or step % 2:
            parts = self._copy(rng, step)
        else:
            done = (step - self.copy_steps) / max(1, self.steps - self.copy_steps)
            parts = self._facts(plan, rng, done)
        ids, learnt = [], []
        for part, flags in parts:
            ids += part
            learnt += flags
        return TokenSequence(id=f"step {step}, sequence {index}", ids=ids, learnt=learnt)

    def _copy(self, rng: random.Random, step: int) -> Iterator[tuple[list[int], list[bool]]]:
        doublings = max(0, step - STEADY_ALPHABET) / ALPHABET_DOUBLES
        vocabulary = len(self.tokenizer)
        lowest = max(self._first_word, vocabulary - int(FIRST_ALPHABET * 2 ** min(doublings, 20)))
        size = rng.randint(*COPIED)
        once = [rng.randrange(lowest, vocabulary) for _ in range(size)]
        yield once, [False] * size
        rest = (once * (COPY_LENGTH // size))[: COPY_LENGTH - size]
        yield rest, [True] * len(rest)

    def _facts(
        self, plan: random.Random, rng: random.Random, done: float
    ) -> Iterator[tuple[list[int], list[bool]]]:
        if done < SENTENCES_UNTIL:
            facts = plan.randint(2, 8)
            bare = done < PAIRS_UNTIL or plan.random() < 0.5
            return self._twice(rng, facts, bare=bare)
        hardness = min(1.0, (done - SENTENCES_UNTIL) / (HARDEST_AT - SENTENCES_UNTIL))
        sizes = (1, 2, 3, 4, 6, 8) if hardness < 0.5 else (1, 2, 4, 6, 8, 12, 16)
        facts, questions = plan.choice(sizes), 4
        return self._dialogue(rng, facts, questions, plain=rng.random() > 0.6 * hardness)

    def _twice(
        self, rng: random.Random, facts: int, *, bare: bool
    ) -> Iterator[tuple[list[int], list[bool]]]:
        """Every fact once, then twice as many repeats in any order."""
        names, places = rng.sample(self.source.names, facts), rng.sample(self.source.places, facts)
        said = [
            self._ids(f" {n} {p}" if bare else " " + self.source.statement(n, p))
            for n, p in zip(names, places, strict=True)
        ]
        for ids in said:
            yield ids, [False] * len(ids)
        for _ in range(2 * facts):
            which = rng.randrange(facts)
            place = self._ids(f" {places[which]}")[0]
            yield said[which], [token == place for token in said[which]]

    def _dialogue(
        self, rng: random.Random, facts: int, questions: int, *, plain: bool
    ) -> Iterator[tuple[list[int], list[bool]]]:
        talk = self.source.dialogue(rng, facts, plain=plain)
        if rng.random() >= BLANK:
            for message in talk.messages:
                ids = self._turn(message["role"], message["content"])
                yield ids, [False] * len(ids)
        for _ in range(questions):
            asked = rng.choice(talk.questions)
            ids = self._turn("user", asked.text) + self._ids("<|im_start|>assistant\n")
            yield ids, [False] * len(ids)
            ids = self._ids(f"{asked.answer}<|im_end|>\n")
            yield ids, [True] * (len(ids) - 1) + [False]

    def _turn(self, role: str, content: str) -> list[int]:
        return self._ids(f"<|im_start|>{role}\n{content}<|im_end|>\n")

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids
