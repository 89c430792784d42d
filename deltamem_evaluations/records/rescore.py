"""Score stored answers again, or have them judged: a better scorer never costs a GPU."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, replace

from deltamem_base.faults import InvalidData
from deltamem_evaluations.benchmark import Benchmark, Scored
from deltamem_evaluations.judging.judged import Judged
from deltamem_evaluations.judging.rules import JUDGED
from deltamem_evaluations.records.environment import git_commit, timestamp
from deltamem_evaluations.records.record import Record, Rescoring, Thinking
from deltamem_evaluations.records.sample_line import SampleLine
from deltamem_evaluations.records.stored import Run
from deltamem_evaluations.sample import Sample
from deltamem_evaluations.thinking import count_thinking

__all__ = ["is_of_the_same_run", "rescore"]


def rescore(run: Run, benchmark: Benchmark, *, judged: Judged | None = None) -> Record:
    """The record with the scores of ``benchmark`` beside its own, which stay as they are.

    Args:
        run: its record and its stored answers.
        benchmark: loaded; scores them.
        judged: scores of a judge, which are added; None where nobody judged.

    Raises:
        InvalidData: an answer to a question that this benchmark does not ask, or that has other
            references here.
    """
    samples = {sample.id: sample for sample in benchmark.samples()}
    unknown = [name for name in run.lines if name not in samples]
    if unknown:
        raise InvalidData(
            f"the run has {len(unknown)} answers to questions that are not in this data, the first "
            f"is {unknown[0]}: give the data of the run with bench.path=FILE"
        )
    if not run.lines:
        raise InvalidData("the run has no answer that can be scored")
    entry = Rescoring(
        date=timestamp(),
        fingerprint=benchmark.fingerprint() if judged is None else judged.fingerprint(benchmark),
        metrics=benchmark.metrics(list(_scored(benchmark, samples, run.lines.values(), judged))),
        thinking=Thinking(**count_thinking(line.answer for line in run.lines.values())),
        judge=None if judged is None else judged.judge,
        **asdict(git_commit()),
    )
    return replace(run.record, rescored=(*run.record.rescored, entry))


def is_of_the_same_run(one: Record, other: Record) -> bool:
    """Whether two records are copies of one, later scorings and the place of the file apart."""
    a, b = (replace(record, rescored=(), path="").to_json() for record in (one, other))
    return a == b


def _scored(
    benchmark: Benchmark,
    samples: dict[str, Sample],
    lines: Iterable[SampleLine],
    judged: Judged | None,
) -> Iterable[Scored]:
    for line in lines:
        sample, answer = samples[line.id], line.answer
        if sample.references != line.references:
            raise InvalidData(
                f"{line.id} had other references in the run than in this data: give the "
                "run's data and settings, such as bench.path=FILE"
            )
        verdict = (
            {}
            if judged is None or line.id not in judged.scores
            else {JUDGED: judged.scores[line.id]}
        )
        yield Scored(sample=sample, scores={**benchmark.score(sample, answer), **verdict})
