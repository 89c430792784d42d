"""State hygiene: does anything leak between samples, and is what is written what should be?

Every check answers a few samples in more than one way that must not matter. A finding names the
check and the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from deltamem_base.excerpts import in_a_line
from deltamem_evaluations.audit.gold import can_tell, given_away
from deltamem_evaluations.audit.leaves import differing, leaves, same_first_row
from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.method import MemoryMethod
from deltamem_evaluations.runner import QUESTION_TOKENS
from deltamem_evaluations.sample import History, Sample, prompt_of

if TYPE_CHECKING:
    from deltamem_evaluations.method import Answer, WriteReport

__all__ = ["CHECKS", "PAIRED", "Finding", "audit"]

SAME_STATE = 1e-4
"""Largest difference of a state that was written alone or in a batch, relative to its largest
entry: sums in another order, float32 over thousands of tokens."""
ANSWER_TOKENS = 32
"""New tokens of an answer at most: where two answers differ, they mostly do by then."""
MOST_NAMED = 8
"""Samples of one check over all samples that are named one by one."""
LONGEST_QUOTE = 40
"""Characters of an answer in a finding."""

CHECKS = {
    "reset": "the memory is empty when a sample starts",
    "repeat": "asking a question twice gives one answer and changes nothing",
    "order": "answers do not depend on what was asked before",
    "neighbours": "answers and states do not depend on what else is in the batch",
    "tokens": "every token of the history is read once, or reported as cut",
    "restore": "a state that was saved and loaded gives the same answers",
    "writes": "if questions may write to the memory, something was written",
    "gold": "what the benchmark adds to a question does not give its reference away",
}
PAIRED = ("neighbours", "restore")
"""Checks that compare one sample with the next: a single sample is not checked."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong."""

    check: str
    sample: str
    what: str


def audit(
    benchmark: Benchmark,
    method: MemoryMethod,
    samples: Sequence[Sample],
    *,
    count_tokens: Callable[[History], int],
    seed: int = 0,
    answer_tokens: int = ANSWER_TOKENS,
) -> list[Finding]:
    """Run all checks on a few samples.

    Args:
        benchmark: loaded.
        method: is reset and used; what it held before is gone.
        samples: at least two, of two histories where the benchmark has them.
        count_tokens: length of a history, counted independently of the method.
        seed: of the run.
        answer_tokens: new tokens of an answer at most.

    Returns:
        What is wrong, in the order of :data:`CHECKS`; empty when nothing is.
    """
    asked = _Asker(benchmark, method, seed=seed, tokens=answer_tokens)
    found: list[Finding] = []
    found += _check_reset(asked, samples)
    found += _check_repeat(asked, samples)
    found += _check_order(asked, samples)
    found += _check_neighbours(asked, samples)
    found += _check_tokens(asked, samples, count_tokens)
    found += _check_restore(asked, samples)
    found += _check_writes(asked, samples)
    found += _check_gold(asked, samples)
    return found


class _Asker:
    """Writes and asks the way the runner does."""

    def __init__(
        self, benchmark: Benchmark, method: MemoryMethod, *, seed: int, tokens: int
    ) -> None:
        self.benchmark, self.method, self.seed, self.tokens = benchmark, method, seed, tokens

    def write(self, *samples: Sample) -> Sequence[WriteReport]:
        self.method.reset(len(samples))
        return self.method.write([self.history(s) for s in samples])

    def history(self, sample: Sample) -> History:
        """A sample's history, with room for the question and the answer as the runner keeps it."""
        question = max(len(sample.question), QUESTION_TOKENS)
        answer = self.benchmark.decoding(sample).max_new_tokens
        return replace(self.benchmark.history(sample.history_id), reserve=question + answer)

    def quote(self, text: str) -> str:
        """An answer or a reference in a finding, where it may be printed."""
        if self.benchmark.confidential:
            return "[withheld]"
        return f"'{in_a_line(text, longest=LONGEST_QUOTE)}'"

    def ask(self, *samples: Sample, history: int | None = None) -> list[str]:
        """Answers of samples whose histories stand in the batch in their order."""
        return [answer.text for answer in self.answers(*samples, history=history)]

    def answers(self, *samples: Sample, history: int | None = None) -> Sequence[Answer]:
        """The answers of :meth:`ask` with what they cost."""
        prompts = [
            prompt_of(sample, history=i if history is None else history, run_seed=self.seed)
            for i, sample in enumerate(samples)
        ]
        decoding = self.benchmark.decoding(samples[0])
        tokens = min(decoding.max_new_tokens, self.tokens)
        return self.method.answer(prompts, replace(decoding, max_new_tokens=tokens))

    def alone(self, sample: Sample) -> str:
        self.write(sample)
        return self.ask(sample)[0]


def _check_reset(asked: _Asker, samples: Sequence[Sample]) -> Iterator[Finding]:
    asked.method.reset(1)
    empty = leaves(asked.method.state_dict())
    for sample in samples[:2]:
        asked.write(sample)
        asked.ask(sample)
        asked.method.reset(1)
        name = differing(empty, leaves(asked.method.state_dict()))
        if name is not None:
            what = f"{name} is not what it was before anything was written"
            yield Finding(check="reset", sample=sample.id, what=what)


def _check_repeat(asked: _Asker, samples: Sequence[Sample]) -> Iterator[Finding]:
    for sample in samples:
        asked.write(sample)
        before = leaves(asked.method.state_dict())
        first, second = asked.ask(sample)[0], asked.ask(sample)[0]
        if first != second:
            what = f"{asked.quote(first)}, then {asked.quote(second)}"
            yield Finding(check="repeat", sample=sample.id, what=what)
        if differing(before, leaves(asked.method.state_dict())) is not None:
            yield Finding(check="repeat", sample=sample.id, what="answering changed the state")


def _check_order(asked: _Asker, samples: Sequence[Sample]) -> Iterator[Finding]:
    forward = {s.id: asked.alone(s) for s in samples}
    for sample in reversed(samples):
        again = asked.alone(sample)
        if again != forward[sample.id]:
            one, other = asked.quote(forward[sample.id]), asked.quote(again)
            what = f"{one} or {other} by the order of samples"
            yield Finding(check="order", sample=sample.id, what=what)


def _check_neighbours(asked: _Asker, samples: Sequence[Sample]) -> Iterator[Finding]:
    for first, second in pairwise(samples):
        single = asked.alone(first)
        alone = leaves(asked.method.state_dict())
        asked.write(first, second)
        both = leaves(asked.method.state_dict())
        together = asked.ask(first, second)[0]
        if together != single:
            one, other = asked.quote(single), asked.quote(together)
            what = f"{one} alone, {other} beside {second.id}"
            yield Finding(check="neighbours", sample=first.id, what=what)
        if not same_first_row(alone, both, tolerance=SAME_STATE):
            what = f"its state differs when it is written beside {second.id}"
            yield Finding(check="neighbours", sample=first.id, what=what)


def _check_tokens(
    asked: _Asker, samples: Sequence[Sample], count_tokens: Callable[[History], int]
) -> Iterator[Finding]:
    for sample in samples:
        (report,) = asked.write(sample)
        expected = count_tokens(asked.benchmark.history(sample.history_id))
        if report.original_tokens != expected:
            what = f"the history has {expected} tokens, the method saw {report.original_tokens}"
            yield Finding(check="tokens", sample=sample.id, what=what)
        taken, lost = report.read_tokens, report.cut_tokens
        nothing = not (taken or report.shown_tokens or report.written_tokens)
        if not nothing and taken not in (expected, expected - lost):
            what = f"{taken} of {expected} tokens were read, and {lost} were reported as cut"
            yield Finding(check="tokens", sample=sample.id, what=what)


def _check_restore(asked: _Asker, samples: Sequence[Sample]) -> Iterator[Finding]:
    for first, second in pairwise(samples):
        answer = asked.alone(first)
        saved = asked.method.state_dict()
        asked.alone(second)
        asked.method.load_state_dict(saved)
        restored = asked.ask(first)[0]
        if restored != answer:
            what = f"{asked.quote(answer)} became {asked.quote(restored)}"
            yield Finding(check="restore", sample=first.id, what=what)


def _check_writes(asked: _Asker, samples: Sequence[Sample]) -> Iterator[Finding]:
    """A method whose questions and answers may write says so with ``write_answers``."""
    if asked.method.describe().write_answers is None:
        return
    for sample in samples:
        (report,) = asked.write(sample)
        (answer,) = asked.answers(sample)
        if not report.written_tokens and not getattr(answer, "written_tokens", 0):
            what = (
                "nothing was written, so that the bare backbone answers; with "
                "method.write_answers=true, or bench.protocol=paper, question and answer write"
            )
            yield Finding(check="writes", sample=sample.id, what=what)


def _check_gold(asked: _Asker, samples: Sequence[Sample]) -> Iterator[Finding]:
    sure = can_tell(asked.benchmark, samples)
    found = list(given_away(asked.benchmark, samples)) if sure else []
    for number, (sample, reference) in enumerate(found[:MOST_NAMED], 1):
        what = f"the prompt holds the reference {asked.quote(reference)}"
        if number == MOST_NAMED < len(found):
            what += f", and so do those of {len(found) - number} more"
        yield Finding(check="gold", sample=sample.id, what=what)
