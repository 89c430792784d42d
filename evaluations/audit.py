"""State hygiene: does anything leak between samples, and is what is written what should be?

Every check answers a few samples in more than one way that must not matter. A finding names the
check and the sample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from evaluations.benchmark import Benchmark
from evaluations.method import MemoryMethod
from evaluations.runner import QUESTION_TOKENS
from evaluations.sample import History, Sample, prompt_of

__all__ = ["CHECKS", "PAIRED", "Finding", "audit"]

SAME_STATE = 1e-4
"""Largest difference of a state that was written alone or in a batch, relative to its largest
entry: sums in another order, float32 over thousands of tokens."""
LONGEST_QUOTE = 40
"""Characters of an answer in a finding."""

CHECKS = {
    "reset": "the memory is empty when a sample starts",
    "repeat": "asking a question twice gives one answer and changes nothing",
    "order": "answers do not depend on what was asked before",
    "neighbours": "answers and states do not depend on what shares the batch",
    "tokens": "every token of the history is written or shown, and none twice",
    "restore": "a state that was saved and loaded gives the same answers",
    "writes": "a memory that questions may write to has taken something in",
    "gold": "no reference occurs in what the benchmark adds to a question",
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
) -> list[Finding]:
    """Run all checks on a few samples.

    Args:
        benchmark: loaded.
        method: is reset and used; what it held before is gone.
        samples: at least two, of two histories where the benchmark has them.
        count_tokens: length of a history, counted independently of the method.
        seed: of the run.

    Returns:
        What is wrong, in the order of :data:`CHECKS`; empty when nothing is.
    """
    asked = _Asker(benchmark, method, seed)
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

    def __init__(self, benchmark: Benchmark, method: MemoryMethod, seed: int) -> None:
        self.benchmark, self.method, self.seed = benchmark, method, seed

    def write(self, *samples: Sample) -> Sequence[Any]:
        self.method.reset(len(samples))
        return self.method.write([self.history(s) for s in samples])

    def history(self, sample: Sample) -> History:
        """With room for the question and the answer, as the runner keeps it."""
        question = max(len(sample.question), QUESTION_TOKENS)
        answer = self.benchmark.decoding(sample).max_new_tokens
        return replace(self.benchmark.history(sample.history_id), reserve=question + answer)

    def quote(self, text: str) -> str:
        """An answer or a reference in a finding, where it may be printed."""
        if self.benchmark.confidential:
            return "[withheld]"
        return f"'{text}'" if len(text) <= LONGEST_QUOTE else f"'{text[: LONGEST_QUOTE - 3]}...'"

    def ask(self, *samples: Sample, history: int | None = None) -> list[str]:
        """Answers of samples whose histories stand in the batch in their order."""
        return [answer.text for answer in self.answers(*samples, history=history)]

    def answers(self, *samples: Sample, history: int | None = None) -> Sequence[Any]:
        """The answers of :meth:`ask` with what they cost."""
        prompts = [
            prompt_of(sample, history=i if history is None else history, run_seed=self.seed)
            for i, sample in enumerate(samples)
        ]
        decoding = self.benchmark.decoding(samples[0])
        return self.method.answer(prompts, decoding)

    def alone(self, sample: Sample) -> str:
        self.write(sample)
        return self.ask(sample)[0]


def _check_reset(asked: _Asker, samples: Sequence[Sample]) -> Iterator[Finding]:
    for sample in samples[:2]:
        asked.write(sample)
        asked.ask(sample)
        asked.method.reset(1)
        for name, values in _arrays(asked.method.state_dict()):
            if np.any(values):
                yield Finding(check="reset", sample=sample.id, what=f"{name} is not zero")
                break


def _check_repeat(asked: _Asker, samples: Sequence[Sample]) -> Iterator[Finding]:
    for sample in samples:
        asked.write(sample)
        before = _copies(asked.method.state_dict())
        first, second = asked.ask(sample)[0], asked.ask(sample)[0]
        if first != second:
            what = f"{asked.quote(first)}, then {asked.quote(second)}"
            yield Finding(check="repeat", sample=sample.id, what=what)
        after = _copies(asked.method.state_dict())
        if not _equal(before, after, tolerance=0.0):
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
        alone = _copies(asked.method.state_dict())
        asked.write(first, second)
        both = _copies(asked.method.state_dict())
        together = asked.ask(first, second)[0]
        if together != single:
            one, other = asked.quote(single), asked.quote(together)
            what = f"{one} alone, {other} beside {second.id}"
            yield Finding(check="neighbours", sample=first.id, what=what)
        row = {name: values[:1] for name, values in both.items()}
        if not _equal(alone, row, tolerance=SAME_STATE):
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
        kept = report.shown_tokens or report.written_tokens
        if report.cut_side is None and kept not in (0, expected):
            what = f"{kept} of {expected} tokens were kept, and no cut was reported"
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
    if "write_answers" not in asked.method.describe():
        return
    for sample in samples:
        (report,) = asked.write(sample)
        (answer,) = asked.answers(sample)
        if not report.written_tokens and not getattr(answer, "written_tokens", 0):
            what = (
                "nothing was written, so that the bare backbone answers; with "
                "method.write_answers=true, or bench.protocol=paper, its question and answer write"
            )
            yield Finding(check="writes", sample=sample.id, what=what)


def _check_gold(asked: _Asker, samples: Sequence[Sample]) -> Iterator[Finding]:
    """Benchmarks whose questions show their options say so with ``metadata["options"]``."""
    for sample in samples:
        own = str(sample.metadata.get("asked", ""))
        added = sample.question.replace(own, "") if own else sample.question
        shown = {str(option) for option in sample.metadata.get("options", ())}
        for reference in sample.references:
            if reference and reference not in shown and reference.lower() in added.lower():
                what = f"the prompt holds the reference {asked.quote(reference)}"
                yield Finding(check="gold", sample=sample.id, what=what)
                break


def _arrays(state: Any, path: str = "state") -> Iterator[tuple[str, Any]]:
    """All tensors in a state, as numpy arrays, with where they stand."""
    if isinstance(state, Mapping):
        for key, value in state.items():
            yield from _arrays(value, f"{path}.{key}")
    elif hasattr(state, "detach"):
        yield path, state.detach().float().cpu().numpy()


def _copies(state: Any) -> dict[str, Any]:
    return {name: values.copy() for name, values in _arrays(state)}


def _equal(one: Mapping[str, Any], other: Mapping[str, Any], *, tolerance: float) -> bool:
    if one.keys() != other.keys():
        return False
    for name, values in one.items():
        scale = max(float(np.abs(values).max(initial=0.0)), 1.0)
        if values.shape != other[name].shape:
            return False
        if float(np.abs(values - other[name]).max(initial=0.0)) > tolerance * scale:
            return False
    return True
