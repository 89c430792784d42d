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
from deltamem_evaluations.judging.endpoint import Endpoint, JudgeSilent
from deltamem_evaluations.judging.rules import Inquiry
from deltamem_evaluations.judging.verdicts import (
    Verdict,
    Verdicts,
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
    """By sample id, of those that are judged; 1 is right and 0 wrong."""
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
        raise InvalidInput("no answer of this run has a judge: leave out judge.url and judge.model")
    known = read_verdicts(folder)
    todo = [(name, question) for name, one in asked.items() for question in one.questions]
    keys = [verdict_key(question, model=endpoint.model) for _, question in todo]
    done = sum(key in known.verdicts for key in keys)
    tick(done, len(todo))
    for (name, question), key in zip(todo, keys, strict=True):
        if key in known.verdicts:
            continue
        kept = f"all answers and {done} of {len(todo)} judgements are kept"
        try:
            said, value = endpoint.ask(question)
            known.verdicts[key] = Verdict.of(
                name, question, model=endpoint.model, said=said, value=value
            )
            known.write(folder)
        except JudgeSilent as fault:
            raise Partial(
                f"the judge at {endpoint.url} gave no verdict on {name}: {fault}; {kept}: run the "
                "same command again"
            ) from fault
        except Unavailable as fault:
            raise Unavailable(f"{fault}; {kept}") from fault
        except CannotWrite as fault:
            raise Partial(f"{fault}; {kept}: {fault.remedy} and run it again") from fault
        done += 1
        tick(done, len(todo))
    return _scored(asked, known, endpoint.model, folder)


def _scored(asked: Mapping[str, Inquiry], known: Verdicts, model: str, folder: Path) -> Judged:
    """The scores that follow from the verdicts, which are kept beside them."""
    scores = {
        name: one.score(
            [known.verdicts[verdict_key(question, model=model)].value for question in one.questions]
        )
        for name, one in asked.items()
    }
    judge = judge_name(model, (q.rules.said for one in asked.values() for q in one.questions))
    known.scores[judge] = scores
    known.write(folder)
    return Judged(scores=scores, judge=judge)


def _inquiries(
    lines: Mapping[str, SampleLine], benchmark: Benchmark[Any]
) -> Iterator[tuple[str, Inquiry]]:
    """What the judge is asked, by sample id, in the order of the benchmark."""
    for sample in benchmark.samples():
        if sample.id in lines:
            answer = final_answer(lines[sample.id].answer).text
            inquiry = benchmark.ask_judge(sample, answer)
            if inquiry is not None:
                yield sample.id, inquiry
