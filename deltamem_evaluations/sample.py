"""Histories, and questions about them: the parts of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated

from annotated_types import Ge, Interval

from deltamem_base.faults import InvalidInput
from deltamem_base.seeds import seed_of

__all__ = [
    "Cut",
    "Decoding",
    "History",
    "Message",
    "Prompt",
    "Sample",
    "prompt_of",
    "sample_seed",
]

Message = Mapping[str, str]
"""``role`` and ``content``, the currency of chat templates.

A benchmark may say more of a message for methods that pick single ones: ``title`` of a passage,
``speaker``, ``session`` (a number) and ``preamble`` (what has to stand before the first message of
a session that is shown, such as its date; the session's first message has it in its content).
"""

SIDES = ("start", "end", "middle")


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The way in which a history in view is shortened to fit; one that is only written never is."""

    side: str = "start"
    """The part that goes: the ``start`` (oldest), the ``end`` or the ``middle``."""
    max_chars: int | None = None
    """A limit of the benchmark's own, in characters over all contents; None for none."""

    def __post_init__(self) -> None:
        if self.side not in SIDES:
            raise InvalidInput(f"cut.side is '{self.side}'; choose one of {', '.join(SIDES)}")


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """Settings of decoding. ``temperature`` 0 is greedy; ``top_k`` 0 and ``top_p`` 1 are off."""

    max_new_tokens: Annotated[int, Ge(1)]
    temperature: Annotated[float, Ge(0)] = 0.0
    top_p: Annotated[float, Interval(gt=0, le=1)] = 1.0
    top_k: Annotated[int, Ge(0)] = 0


@dataclass(frozen=True, kw_only=True)
class History:
    """Messages before the questions, in chronological order unless a protocol says otherwise."""

    messages: tuple[Message, ...]
    """A leading system message holds instructions: it stays when the rest is dropped."""
    join: str | None = None
    """Text between messages of one role that share a turn, the question too; None: a turn each."""
    cut: Cut = field(default_factory=Cut)
    replaced: tuple[Message, ...] | None = None
    """Messages that a control has written in place of ``messages``."""
    reserve: int = 0
    """Tokens to keep free for the question and the answer."""

    @property
    def written(self) -> tuple[Message, ...]:
        """Messages that go into the memory."""
        return self.messages if self.replaced is None else self.replaced

    @property
    def chars(self) -> int:
        """Characters of ``messages``."""
        return sum(len(message["content"]) for message in self.messages)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One question with its references.

    A benchmark that knows more of a question has a class derived from this one.
    """

    id: str
    history_id: str
    """Samples with the same one share a history, and are one cluster in the statistics."""
    question: str
    """Text of the user turn that is answered."""
    asked: str
    """The question itself, without directions for its answer: a method that looks something up
    looks this up."""
    references: tuple[str, ...]
    spoken: str | None = None
    """The first reference as an assistant would say it; None where that is the reference itself."""
    options: tuple[str, ...] = ()
    """Answers that ``question`` lists to choose from, as they stand in it."""
    groups: tuple[str, ...] = ()
    """Every group under which the scores of this sample are averaged."""

    @property
    def weighed(self) -> str | None:
        """Text whose log-probability is measured; None where there is no reference."""
        text = self.spoken if self.spoken is not None else next(iter(self.references), "")
        return text if text.strip() else None

    @property
    def metadata(self) -> dict[str, object]:
        """Whatever the benchmark's own kind of sample has beside these fields, to be stored."""
        shared = {f.name for f in fields(Sample)}
        return {f.name: getattr(self, f.name) for f in fields(self) if f.name not in shared}


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A question as a method is asked it: without its references, but to weigh one."""

    question: str
    """Text of the user turn that is answered."""
    history: int
    """Number of the history in the batch that it is about."""
    seed: int
    asked: str | None = None
    """The question without directions for its answer; None where there are none."""
    given: str | None = None
    """A reference that is weighed in place of an answer; None where the question is asked."""


def prompt_of(sample: Sample, *, history: int, run_seed: int) -> Prompt:
    """The prompt for a sample whose history is number ``history`` of its batch."""
    return Prompt(
        question=sample.question,
        asked=sample.asked,
        history=history,
        seed=sample_seed(run_seed, sample.id),
    )


def sample_seed(run_seed: int, sample_id: str) -> int:
    """Seed of one sample's random numbers: no batch, order or resumption can change it."""
    return seed_of(f"{run_seed}:{sample_id}")
