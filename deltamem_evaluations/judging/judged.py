"""Have the stored answers of a run judged, each once, and go on where it was left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltamem_base.faults import CannotWrite, InvalidInput, Partial, Unavailable
from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.judging.endpoint import Endpoint, JudgeSilent, NoVerdict
from deltamem_evaluations.judging.rules import Inquiry, JudgeQuestion
from deltamem_evaluations.judging.verdicts import (
    Verdict,
    judge_name,
    read_verdicts,
    verdict_key,
)
from deltamem_evaluations.records.sample_line import SampleLine
from deltamem_evaluations.runner import Progress
from deltamem_evaluations.thinking import final_answer

__all__ = ["Judged", "judge_answers"]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Scores of a judge, and who it was."""

    scores: Mapping[str, float]
    """Sample id -> score, for those that are judged; 1 is right and 0 wrong."""
    judge: str
    """The model, and whose prompts it was given."""

    def fingerprint(self, benchmark: Benchmark[Any]) -> str:
        """Hash of the benchmark's fingerprint and of the judge: its model and its prompts."""
        text = json.dumps([benchmark.fingerprint(), self.judge])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def judge_answers(
    folder: Path,
    lines: Mapping[str, SampleLine],
    benchmark: Benchmark[Any],
    endpoint: Endpoint,
    *,
    tick: Progress,
) -> Judged:
    """Judge what is not judged yet, keeping each judgement at once.

    Args:
        folder: of the run, where the judgements are kept.
        lines: its stored answers.
        benchmark: loaded.
        endpoint: is asked.
        tick: told after every judgement.

    Raises:
        InvalidInput: none of the questions has a judge.
        Unavailable: the endpoint refuses to be asked.
        Partial: it gave no verdict, or there is no room for one; what was judged is kept.
    """
    asked = dict(_inquiries(lines, benchmark))
    if not asked:
        raise InvalidInput(
            "no answer of this run has a judge: leave out judge.url and judge.model (summaries of "
            "MemoryAgentBench have one with bench.judge_path=FOLDER)"
        )
    todo = {
        verdict_key(question, model=endpoint.model): (name, question)
        for name, one in asked.items()
        for question in one.questions
    }
    judging = _Judging(folder, endpoint, todo, tick)
    judging.ask_all()
    scores = {
        name: one.score([judging.verdict(question).value for question in one.questions])
        for name, one in asked.items()
    }
    rules = (question.rules.said for one in asked.values() for question in one.questions)
    judged = Judged(scores=scores, judge=judge_name(endpoint.model, rules))
    judging.keep(judged)
    return judged


class _Judging:
    """Questions to a judge by the keys of their verdicts, and the verdicts of a run."""

    def __init__(
        self,
        folder: Path,
        endpoint: Endpoint,
        todo: Mapping[str, tuple[str, JudgeQuestion]],
        tick: Progress,
    ) -> None:
        self.folder, self.endpoint, self.todo, self.tick = folder, endpoint, todo, tick
        self.known = read_verdicts(folder)

    def verdict(self, question: JudgeQuestion) -> Verdict:
        """Verdict on a question that was asked."""
        return self.known.verdicts[verdict_key(question, model=self.endpoint.model)]

    def ask_all(self) -> None:
        """Ask what was not asked yet; a reply without a verdict does not keep others from theirs.

        Raises:
            Unavailable: the endpoint refuses to be asked.
            Partial: it does not answer, some replies hold no verdict, or there is no room for one.
        """
        without: list[str] = []
        self.tick(self._done, len(self.todo))
        for key, (name, question) in self.todo.items():
            if key in self.known.verdicts:
                continue
            try:
                said, value = self.endpoint.ask(question)
            except NoVerdict as fault:
                without.append(f"{name}: {fault}")
                continue
            except JudgeSilent as fault:
                raise self._partial(f"{name}: {fault}") from fault
            except Unavailable as fault:
                raise Unavailable(f"{fault}; {self._kept}") from fault
            self.known.verdicts[key] = Verdict.of(
                name, question, model=self.endpoint.model, said=said, value=value
            )
            self._write()
            self.tick(self._done, len(self.todo))
        if without:
            more = f" (and on {len(without) - 1} more)" if len(without) > 1 else ""
            raise self._partial(f"{without[0]}{more}")

    def keep(self, judged: Judged) -> None:
        """Keep the scores beside the verdicts that they follow from."""
        self.known.scores[judged.judge] = dict(judged.scores)
        self._write()

    @property
    def _done(self) -> int:
        return sum(key in self.known.verdicts for key in self.todo)

    @property
    def _kept(self) -> str:
        return f"all answers and {self._done} of {len(self.todo)} judgements are kept"

    def _partial(self, missed: str) -> Partial:
        return Partial(
            f"the judge at {self.endpoint.url} gave no verdict on {missed}; {self._kept}: run the "
            "same command again"
        )

    def _write(self) -> None:
        try:
            self.known.write(self.folder)
        except CannotWrite as fault:
            raise Partial(f"{fault}; {self._kept}: {fault.remedy} and run it again") from fault


def _inquiries(
    lines: Mapping[str, SampleLine], benchmark: Benchmark[Any]
) -> Iterator[tuple[str, Inquiry]]:
    """Questions to the judge by sample id, in the order of the benchmark."""
    for sample in benchmark.samples():
        if sample.id in lines:
            answer = final_answer(lines[sample.id].answer).text
            inquiry = benchmark.ask_judge(sample, answer)
            if inquiry is not None:
                yield sample.id, inquiry
