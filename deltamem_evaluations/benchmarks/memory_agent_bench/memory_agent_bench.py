"""MemoryAgentBench (Hu et al., 2026): 146 long texts, 3,671 questions, four competencies.

    history    Here is a list of facts: 0. Nadia Ross speaks Danish. ... 88. Nadia Ross speaks Thai.
               (the text in pieces of about 4,096 tokens, each a message)
    question   Which language does Nadia Ross speak?
    reference  Thai             (the newest fact holds)

A row of the data is one text with up to 200 questions: it is written once and asked many times.
Groups are the competency (accurate_retrieval 2,000, test_time_learning 700,
long_range_understanding 171, conflict_resolution 800 questions) and the source. ``score`` is the
source's own metric (families.py) averaged over questions;
``score_by_competency`` is the mean of the four competencies.

``protocol=benchmark``: a wording for each kind of source, and what does not fit into the model's
window goes from the start; the score is the benchmark's own number, of which
:mod:`deltamem_evaluations.metrics.mab` tells the rules. ``protocol=paper``: one wording, at most
120,000 characters in view, the middle left out, and the accuracy that the authors take for most
sources. Beside either stands ours, which reads whole words, labels and fields of JSON.

LongMemEval and the summaries are judged by a language model in the benchmark. Here they have
substitutes, named ``unjudged``; beside them ``judge.url=`` judges by the benchmark's prompts, the
summaries by those in ``judge_path``. Titles of films are in the set's ``entity2id.json``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, MinLen

from deltamem_base.faults import InvalidData, InvalidInput
from deltamem_evaluations.benchmark import (
    Benchmark,
    Data,
    Entry,
    Scored,
    check_new_tokens,
    digest_of,
)
from deltamem_evaluations.benchmarks.memory_agent_bench.families import CHATS, SUMMARIES
from deltamem_evaluations.benchmarks.memory_agent_bench.films import load_titles, titles_of
from deltamem_evaluations.benchmarks.memory_agent_bench.question import MabSample
from deltamem_evaluations.benchmarks.memory_agent_bench.sources import (
    HUB,
    SOURCES,
    Source,
    choose_sources,
    compare_with_release,
    source_of,
)
from deltamem_evaluations.benchmarks.memory_agent_bench.templates import (
    CHUNK_CHARS,
    OWN,
    UNIFIED,
    Wording,
    read_templates,
    split_context,
)
from deltamem_evaluations.data.datafile import check_protocol
from deltamem_evaluations.data.rows.files import Row
from deltamem_evaluations.data.rows.memory_agent_bench import MabRow
from deltamem_evaluations.data.rows.schema import check
from deltamem_evaluations.data.sources import HubSource, fetched_folder, load_rows
from deltamem_evaluations.judging.rules import Inquiry
from deltamem_evaluations.judging.summaries import read_summary_prompts
from deltamem_evaluations.metrics.mab import SCORERS
from deltamem_evaluations.metrics.mab_films import Titles
from deltamem_evaluations.metrics.statistics import Metric, ScoredQuestion, mean_over_groups
from deltamem_evaluations.sample import Cut, Decoding, History, Message

__all__ = ["MemoryAgentBench"]

AFTER_TEXT = "\n\n"
"""Ends the last piece: a question starts on a line of its own, and with a token of its own."""
BETWEEN_MEMORISED = "\n"
"""Between pieces that the benchmark's own templates have wrapped."""
PAPER_CHARS = 120_000


class MemoryAgentBench(Benchmark[MabSample]):
    """The four splits; see the module."""

    primary_metric = "score"

    def __init__(
        self,
        *,
        protocol: str = "benchmark",
        path: str | None = None,
        revision: str | None = HUB.revision,
        sources: Annotated[Sequence[str], MinLen(1)] | None = None,
        templates: str | None = None,
        entities: str | None = None,
        judge_path: str | None = None,
        max_new_tokens: Annotated[int, Ge(1)] | None = None,
    ) -> None:
        """Settings of one evaluation.

        Args:
            protocol: ``benchmark`` or ``paper``, see the module.
            path: a file or a folder with rows as the hub has them; None takes what was fetched,
                then the hub.
            revision: commit of the hub's data set; None takes the newest.
            sources: which to ask, by name or pattern (``icl_*``); None is all.
            templates: a checkout of the benchmark, whose wording is taken in place of ours.
            entities: the film ids; None looks beside the data.
            judge_path: a checkout of the benchmark, whose prompts summaries are judged by.
            max_new_tokens: of an answer; None takes what its source has.

        Raises:
            InvalidInput: a protocol or source that does not exist, templates for the paper's
                protocol, which has its own, or no room for an answer.
        """
        check_protocol(protocol)
        self._paper = protocol == "paper"
        if self._paper and templates is not None:
            raise InvalidInput(
                "bench.templates gives the benchmark's wording, but bench.protocol=paper has its "
                "own; use bench.templates with bench.protocol=benchmark"
            )
        check_new_tokens(max_new_tokens)
        self._max_new_tokens = max_new_tokens
        self._path, self._templates, self._entities = path, templates, entities
        self._judge_path = judge_path
        self.chosen = choose_sources(sources)
        self.source = replace(HUB, revision=revision)

    def sources(self) -> Sequence[HubSource]:
        """The hub's data set, with its film ids."""
        return (self.source,)

    def read(self) -> tuple[Data, list[Entry[MabSample]]]:
        """The wording, the chosen rows and, where films are asked for, their titles."""
        self._wording = OWN if self._templates is None else read_templates(self._templates)
        self._texts: dict[str, tuple[Source, str]] = {}
        self._questions: Counter[str] = Counter()
        self._key_points: dict[str, Sequence[str]] = {}
        self._prompts = None if self._judge_path is None else read_summary_prompts(self._judge_path)
        self._titles: Titles | None = None
        self._titles_digest: str | None = None
        located, data = load_rows(self.source, given=self._path)
        entries = [entry for row in located for entry in self._entries(row)]
        if not self._questions.total():
            raise InvalidData(f"the data holds no question of {', '.join(self.chosen)}")
        self._scorers = {**SCORERS, **(self._titles.scorers() if self._titles else {})}
        found = compare_with_release(
            self.chosen,
            rows=Counter(source.name for source, _ in self._texts.values()),
            questions=self._questions,
        )
        return replace(data, deviations=(*data.deviations, *found)), entries

    def _entries(self, at: Row) -> Iterator[Entry[MabSample]]:
        """The entry of a row, or none where its source is not asked."""
        row = check(MabRow, at)
        source = source_of(row, at)
        if source.name not in self.chosen:
            return
        if source.family.by_title and self._titles is None:
            self._titles, self._titles_digest = self._load_titles(source)
        number = sum(other is source for other, _ in self._texts.values())
        history_id = f"{source.family.split}/{source.name}/{number}"
        self._texts[history_id] = (source, row.context)
        self._key_points[history_id] = row.metadata.keypoints or ()
        if source.family is SUMMARIES and self._prompts and not row.metadata.keypoints:
            raise InvalidData(f"{at.where} has no key points, which bench.judge_path judges by")
        samples = list(self._samples_of(row, source, history_id, at.where))
        self._questions[source.name] += len(samples)
        yield Entry(where=at.where, history_id=history_id, samples=samples, content=digest_of(row))

    def _load_titles(self, source: Source) -> tuple[Titles, str]:
        fetched = fetched_folder(self.source)
        return load_titles(
            given=self._entities,
            data=fetched if self._path is None else Path(self._path).expanduser(),
            fetched=fetched,
            source=source.name,
            hub_id=self.source.id,
        )

    def _samples_of(
        self, row: MabRow, source: Source, history_id: str, where: str
    ) -> Iterator[MabSample]:
        wording = self._wording_of(source)
        for number, (question, answer) in enumerate(zip(row.questions, row.answers, strict=True)):
            references = tuple(dict.fromkeys(answer))
            if source.family.by_title and self._titles is not None:
                references = titles_of(answer, self._titles, f"{where}, question {number + 1}")
            yield MabSample(
                id=f"{history_id}/{number}",
                history_id=history_id,
                question=wording.question(question),
                asked=question,
                references=references,
                groups=(source.family.competency, source.name),
                source=source.name,
                competency=source.family.competency,
                qa_pair_id=row.pair_id(number),
                question_type=row.question_type(number),
                question_id=row.question_id(number),
            )

    def history(self, history_id: str) -> History:
        """One message per piece of the text; joined, they are the text.

        Made anew at each call: a text can have three million characters.
        """
        source, context = self._texts[history_id]
        wording = self._wording_of(source)
        pieces = list(split_context(context))
        if wording.chunk is None:
            pieces[-1] += AFTER_TEXT
        else:
            before, after = wording.chunk
            pieces = [f"{before}{piece}{after}" for piece in pieces]
        messages: list[Message] = [{"role": "user", "content": piece} for piece in pieces]
        if wording.system is not None:
            messages.insert(0, {"role": "system", "content": wording.system})
        return History(messages=tuple(messages), join=self._join(), cut=self._cut())

    def _wording_of(self, source: Source) -> Wording:
        return UNIFIED if self._paper else self._wording[source.family.name]

    def _join(self) -> str:
        return "" if self._templates is None else BETWEEN_MEMORISED

    def _cut(self) -> Cut:
        return Cut(side="middle", max_chars=PAPER_CHARS) if self._paper else Cut(side="start")

    def _metrics_of(self, source: Source) -> tuple[str, ...]:
        return source.family.paper_metrics if self._paper else source.family.metrics

    def decoding(self, sample: MabSample) -> Decoding:
        """Greedy, as many tokens as the source allows, or as were asked for."""
        return Decoding(max_new_tokens=self._limit_of(SOURCES[sample.source]))

    def usual_limit(self, sample: MabSample) -> int:
        """New tokens that the source allows."""
        return SOURCES[sample.source].family.max_new_tokens

    def _limit_of(self, source: Source) -> int:
        return self._max_new_tokens or source.family.max_new_tokens

    def score_answer(self, sample: MabSample, answer: str) -> dict[str, float]:
        """``score``, and the source's metrics by name, of which it is the first."""
        names = self._metrics_of(SOURCES[sample.source])
        scores = {name: self._scorers[name](answer, sample.references) for name in names}
        return {"score": scores[names[0]], **scores}

    def ask_judge(self, sample: MabSample, answer: str) -> Inquiry | None:
        """The prompts of the judge of LongMemEval's source or of summaries; others have none."""
        family = SOURCES[sample.source].family
        if family is SUMMARIES and self._prompts is not None:
            return self._prompts.inquiry(
                summary=answer,
                reference=sample.references[0],
                key_points=self._key_points[sample.history_id],
            )
        return sample.judged_as_chat(answer) if family is CHATS else None

    def metrics(self, scored: Sequence[Scored[MabSample]]) -> dict[str, Metric]:
        """All means, and ``score_by_competency``: the mean of the competencies that were asked."""
        by_competency = mean_over_groups(
            [
                ScoredQuestion(
                    score=s.scores["score"],
                    history=s.sample.history_id,
                    groups=(s.sample.competency,),
                )
                for s in scored
            ]
        )
        return {**super().metrics(scored), "score_by_competency": by_competency}

    def protocol(self) -> Mapping[str, object]:
        """Wording, pieces, cut, decoding, metrics and counts of every source that is asked."""
        return {
            "benchmark": "memory_agent_bench",
            "version": 2,
            "wording": {
                source.family.name: vars(self._wording_of(source))
                for source in self.chosen.values()
            },
            "pieces": f"sentences up to {CHUNK_CHARS} characters, {self._join()!r} between them",
            "cut": vars(self._cut()),
            "questions": {name: self._questions[name] for name in self.chosen},
            "max_new_tokens": {n: self._limit_of(s) for n, s in self.chosen.items()},
            "metrics": {n: self._metrics_of(s) for n, s in self.chosen.items()},
            "matching": "the first metric is the score: characters, as the benchmark's own script "
            "or the paper's authors match; words, labels and JSON fields are read beside it",
            "titles": self._titles_digest,
        }
