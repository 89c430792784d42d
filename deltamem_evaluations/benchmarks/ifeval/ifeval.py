"""IFEval (Zhou et al., 2023): 541 prompts with 834 instructions that a program can check.

    prompt         Write to a neighbour about a lost cat. Do without commas, use at least 120
                   words, and *emphasise* three things.
    instructions   punctuation:no_comma {}
                   length_constraints:number_words {relation: at least, num_words: 120}
                   detectable_format:number_highlighted_sections {num_highlights: 3}

There is no history: a memory has nothing but the prompt. A prompt counts where all of its
instructions are followed (``prompt_strict``, in tables; ``prompt_loose`` also accepts the answer
without its first or last line, or without asterisks). ``instruction_strict`` and
``instruction_loose`` are over the instructions of all prompts together. Groups are the kinds of
instruction. The verdicts are those of lm-eval's checkers, but that a character which is no letter
is counted itself (:mod:`deltamem_evaluations.benchmarks.ifeval.checkers`).

``protocol=benchmark``: 1,280 new tokens, as in lm-eval; ``protocol=paper``: 1,500. Both greedy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge

from deltamem_base.assets.asset import Asset
from deltamem_base.assets.catalogue import PUNKT
from deltamem_evaluations.benchmark import (
    Benchmark,
    Data,
    Entry,
    Scored,
    check_new_tokens,
    digest_of,
)
from deltamem_evaluations.benchmarks.ifeval.checkers import load_checkers
from deltamem_evaluations.data.datafile import check_protocol
from deltamem_evaluations.data.rows.ifeval import IfevalRow
from deltamem_evaluations.data.rows.schema import check
from deltamem_evaluations.data.sources import HubSource, load_rows
from deltamem_evaluations.metrics.statistics import Metric, ScoredQuestion, summarise
from deltamem_evaluations.sample import Decoding, History, Sample

__all__ = ["IFEval", "IfevalSample"]

REVISION = "966cd89545d6b6acfd7638bc708b98261ca58e84"
PROMPTS, INSTRUCTIONS = 541, 834
NEW_TOKENS = {"benchmark": 1280, "paper": 1500}
MODES = ("strict", "loose")


@dataclass(frozen=True, kw_only=True)
class IfevalSample(Sample):
    """A prompt with what has to be checked of its answer."""

    prompt: str
    """The prompt as released, which some checkers compare with."""
    instructions: Sequence[str]
    """Kinds of its instructions, in order."""
    values: Sequence[Mapping[str, object]]
    """Arguments of each instruction's checker."""


class IFEval(Benchmark[IfevalSample]):
    """All prompts; see the module."""

    primary_metric = "prompt_strict"
    texts_may_be_shared = True

    def __init__(
        self,
        *,
        protocol: str = "benchmark",
        path: str | None = None,
        revision: str | None = REVISION,
        max_new_tokens: Annotated[int, Ge(1)] | None = None,
    ) -> None:
        """Settings of one evaluation.

        Args:
            protocol: ``benchmark`` or ``paper``, see the module.
            path: the official JSONL, or a file with rows as the hub has them; None takes what was
                fetched, then the hub.
            revision: commit of the hub's data set; None takes the newest.
            max_new_tokens: of an answer; None takes the protocol's.

        Raises:
            InvalidInput: a protocol that does not exist, or no room for an answer.
        """
        check_protocol(protocol)
        check_new_tokens(max_new_tokens)
        self._usual_limit = NEW_TOKENS[protocol]
        self._max_new_tokens = max_new_tokens or self._usual_limit
        self._path = path
        self.source = HubSource(
            id="google/IFEval",
            splits=("train",),
            revision=revision,
            files=("*.jsonl", "*.parquet"),
            licence="Apache-2.0",
        )

    def sources(self) -> Sequence[HubSource | Asset]:
        """The hub's data set, and the data of nltk's sentence splitter."""
        return (self.source, PUNKT)

    def read(self) -> tuple[Data, list[Entry[IfevalSample]]]:
        """Load the checkers, then the prompts, and make sure that each can be checked.

        Raises:
            Unavailable: the checkers or the data are not on this machine.
            InvalidData: a row of another shape, or one that cannot be checked.
        """
        self._checkers = load_checkers()
        located, data = load_rows(self.source, given=self._path)
        entries: list[Entry[IfevalSample]] = []
        drawing = instructions = 0
        for at in located:
            row = check(IfevalRow, at)
            sample = _sample(row)
            drawing += self._checkers.verify(at.where, row.instruction_id_list, row.kwargs)
            instructions += len(row.kwargs)
            entries.append(
                Entry(
                    where=at.where, history_id=sample.id, samples=[sample], content=digest_of(row)
                )
            )
        deviations = list(data.deviations)
        if (len(entries), instructions) != (PROMPTS, INSTRUCTIONS):
            deviations.append(
                f"there are {len(entries)} prompts and {instructions} instructions instead "
                f"of {PROMPTS} and {INSTRUCTIONS}"
            )
        if drawing:
            deviations.append(
                f"{drawing} instructions lack a value to check, and their checkers draw one"
            )
        return replace(data, deviations=tuple(deviations)), entries

    def history(self, history_id: str) -> History:
        """Nothing comes before a prompt."""
        return History(messages=())

    def decoding(self, sample: IfevalSample) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self._max_new_tokens)

    def usual_limit(self, sample: IfevalSample) -> int:
        """New tokens that the protocol allows."""
        return self._usual_limit

    def score_answer(self, sample: IfevalSample, answer: str) -> dict[str, float]:
        """``prompt_*`` is 0 or 1, ``instruction_*`` the share of the prompt's that are followed.

        With them each kind of instruction by itself, ``strict:punctuation:no_comma``, from which
        :meth:`metrics` counts instructions.
        """
        instructions = sample.instructions
        verdicts = self._checkers.grade(answer, instructions=instructions, values=sample.values)
        scores: dict[str, float] = {}
        for mode, followed in zip(MODES, (verdicts.strict, verdicts.loose), strict=True):
            scores[f"prompt_{mode}"] = float(all(followed))
            scores[f"instruction_{mode}"] = sum(followed) / len(followed)
            for kind in dict.fromkeys(instructions):
                own = [yes for yes, k in zip(followed, instructions, strict=True) if k == kind]
                scores[f"{mode}:{kind}"] = sum(own) / len(own)
        return scores

    def metrics(self, scored: Sequence[Scored[IfevalSample]]) -> dict[str, Metric]:
        """Prompts weigh the same in ``prompt_*``, instructions in ``instruction_*``.

        Every instruction is an observation there, and prompts stay the clusters: the bootstrap
        draws whole prompts, each with all of its instructions.
        """
        by_prompt = [
            Scored(sample=s.sample, scores={n: s.scores[n] for n in map("prompt_{}".format, MODES)})
            for s in scored
        ]
        by_instruction = {f"instruction_{mode}": _by_instruction(scored, mode) for mode in MODES}
        return {**super().metrics(by_prompt), **by_instruction}

    def protocol(self) -> Mapping[str, object]:
        """Decoding, sizes, and the versions of what decides the verdicts."""
        return {
            "benchmark": "ifeval",
            "version": 1,
            "templates": ["{prompt}, stripped"],
            "instructions": dict(Counter(i for s in self._samples for i in s.groups)),
            "decoding": vars(Decoding(max_new_tokens=self._max_new_tokens)),
            "metrics": "lm-eval's checkers, built once for both modes; characters count as such",
            "checkers": dict(self._checkers.identity),
        }


def _sample(row: IfevalRow) -> IfevalSample:
    """A prompt with its instructions."""
    return IfevalSample(
        id=row.key,
        history_id=row.key,
        question=row.prompt.strip(),
        asked=row.prompt.strip(),
        references=(),
        groups=tuple(dict.fromkeys(row.instruction_id_list)),
        prompt=row.prompt,
        instructions=row.instruction_id_list,
        values=row.kwargs,
    )


def _by_instruction(scored: Sequence[Scored[IfevalSample]], mode: str) -> Metric:
    observations = []
    for s in scored:
        for kind, times in Counter(s.sample.instructions).items():
            followed = round(s.scores[f"{mode}:{kind}"] * times)
            observations += [
                ScoredQuestion(
                    score=float(i < followed), history=s.sample.history_id, groups=(kind,)
                )
                for i in range(times)
            ]
    return summarise(observations)
