"""The one loop: write each history once, ask all its questions, store every answer at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from evaluations.benchmark import Benchmark, Scored
from evaluations.controls import control_history
from evaluations.errors import InvalidSetting
from evaluations.method import Answer, MemoryMethod, WriteReport
from evaluations.sample import Decoding, History, Prompt, Sample, sample_seed
from evaluations.store import SampleStore

__all__ = ["Plan", "Progress", "plan_samples", "run"]

LONG_HISTORY_CHARS = 20_000
"""Histories longer than this together are not written side by side."""
QUESTION_TOKENS = 512
"""Room for a question in view; longer ones are rare, and counted by their characters."""

Progress = Callable[[int, int], None]
"""Called with the numbers of answered and of all samples."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a benchmark is run; nothing here but ``writes`` and ``seed`` changes an answer."""

    writes: str = "own"
    """What is written: ``own``, ``foreign`` or ``nothing`` (a control)."""
    seed: int = 0
    limit: int | None = None
    """Only the first samples."""
    batch_size: int = 16
    """Histories written and questions answered side by side, at most."""


@dataclass(frozen=True, kw_only=True)
class _Group:
    history_id: str
    samples: list[Sample]


def plan_samples(benchmark: Benchmark, limit: int | None) -> Sequence[Sample]:
    """The samples that a run with this limit answers.

    Raises:
        InvalidSetting: the limit leaves none.
    """
    samples = benchmark.samples()
    chosen = samples if limit is None else samples[:limit]
    if not chosen:
        raise InvalidSetting(f"limit={limit} leaves none of {len(samples)} samples")
    return chosen


def run(
    benchmark: Benchmark,
    method: MemoryMethod,
    store: SampleStore,
    *,
    plan: Plan,
    progress: Progress | None = None,
) -> list[Scored]:
    """Answer and score what is missing in ``store``; return all that it then holds.

    Args:
        benchmark: loaded.
        method: answers.
        store: keeps what was answered, now or before.
        plan: which samples, and how.
        progress: told after every batch.

    Returns:
        The scored samples, in the order of the benchmark.
    """
    samples = plan_samples(benchmark, plan.limit)
    missing = [sample for sample in samples if sample.id not in store.rows]
    order = list(dict.fromkeys(sample.history_id for sample in benchmark.samples()))
    report = progress or (lambda done, total: None)
    done = len(samples) - len(missing)
    report(done, len(samples))
    for groups in _batches(benchmark, missing, plan.batch_size):
        histories = [
            _history(benchmark, group, writes=plan.writes, order=order) for group in groups
        ]
        method.reset(len(groups))
        written = method.write(histories)
        for batch, decoding in _questions(benchmark, groups, plan.batch_size):
            prompts = [
                Prompt(question=s.question, history=i, seed=sample_seed(plan.seed, s.id))
                for i, s in batch
            ]
            answers = method.answer(prompts, decoding)
            rows = [
                _row(benchmark, sample, answer, written[i], decoding, share=len(groups[i].samples))
                for (i, sample), answer in zip(batch, answers, strict=True)
            ]
            store.append(rows)
            done += len(rows)
            report(done, len(samples))
    return [Scored(sample=s, scores=store.rows[s.id]["scores"]) for s in samples]


def _batches(benchmark: Benchmark, samples: Sequence[Sample], size: int) -> Iterator[list[_Group]]:
    """Groups of samples that share a history; short histories come several at a time."""
    batch: list[_Group] = []
    chars = 0
    for history_id, members in groupby(samples, key=lambda sample: sample.history_id):
        length = sum(len(m["content"]) for m in benchmark.history(history_id).messages)
        if batch and (len(batch) == size or chars + length > LONG_HISTORY_CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(_Group(history_id=history_id, samples=list(members)))
        chars += length
    if batch:
        yield batch


def _questions(
    benchmark: Benchmark, groups: Sequence[_Group], size: int
) -> Iterator[tuple[list[tuple[int, Sample]], Decoding]]:
    """Batches of (number of the history, sample) that are decoded alike."""
    asked = [(i, sample) for i, group in enumerate(groups) for sample in group.samples]
    for decoding in dict.fromkeys(benchmark.decoding(sample) for _, sample in asked):
        alike = [(i, s) for i, s in asked if benchmark.decoding(s) == decoding]
        for start in range(0, len(alike), size):
            yield alike[start : start + size], decoding


def _history(benchmark: Benchmark, group: _Group, *, writes: str, order: Sequence[str]) -> History:
    """The history under the control, with room reserved for its questions and their answers."""
    history = control_history(benchmark, group.history_id, writes=writes, order=order)
    question = max(max(len(s.question) for s in group.samples), QUESTION_TOKENS)
    answer = max(benchmark.decoding(s).max_new_tokens for s in group.samples)
    return replace(history, reserve=question + answer)


def _row(
    benchmark: Benchmark,
    sample: Sample,
    answer: Answer,
    written: WriteReport,
    decoding: Decoding,
    *,
    share: int,
) -> dict[str, Any]:
    """One line of the store. ``share``: questions among which the writing is divided."""
    return {
        "id": sample.id,
        "history_id": sample.history_id,
        "groups": list(sample.groups),
        "question": sample.question,
        "references": list(sample.references),
        "prediction": answer.text,
        "scores": benchmark.score(sample, answer.text),
        "finish": answer.finish,
        "decoding": vars(decoding),
        "prompt_tokens": answer.prompt_tokens,
        "new_tokens": answer.new_tokens,
        "history_tokens": written.original_tokens,
        "shown_tokens": written.shown_tokens,
        "written_tokens": written.written_tokens,
        "cut_side": written.cut_side,
        "write_seconds": written.seconds / share,
        "answer_seconds": answer.seconds,
    }
