"""HotpotQA (Yang et al., 2018), distractor setting: 7,405 questions, ten passages for each.

    history    Passage 1 - Adam Collis:
               Adam Collis is an American filmmaker and actor. He attended Duke University. ...

               Passage 2 - Ed Wood (film):
               Ed Wood is a 1994 American biographical period comedy-drama film. ...
    question   Question: Were Scott Derrickson and Ed Wood of the same nationality?
               Answer:
    reference  yes

Two of the passages hold what the answer follows from. Each passage is one message with its title,
and all share the user turn that the question ends; the instructions are a system message, which
stays where the passages are dropped. Groups are the type (``bridge``, ``comparison``) and the level
(in the validation split always ``hard``). The first line of an answer that is not empty is scored.

``protocol=benchmark``: EM and F1 of HotpotQA's own evaluation script, with its rule for yes and no.
``protocol=paper``: the normalisation behind the paper's tables. Both decode greedily, 32 new
tokens: the benchmark does not say how answers are made, so that the two differ in their scores
only. The data is CC BY-SA 4.0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge

from deltamem_evaluations.benchmark import Benchmark, Data, Entry, check_new_tokens, digest_of
from deltamem_evaluations.data.datafile import check_protocol
from deltamem_evaluations.data.rows.hotpotqa import HotpotRow, setting_of
from deltamem_evaluations.data.rows.schema import check
from deltamem_evaluations.data.sources import HubSource, load_rows
from deltamem_evaluations.metrics.squad import HOTPOT_RULE, PAPER_RULE, hotpot_scores, paper_scores
from deltamem_evaluations.metrics.text import first_written_line
from deltamem_evaluations.sample import Cut, Decoding, History, Message, Sample

__all__ = ["HotpotQA", "HotpotSample"]

QUESTIONS = 7405
MAX_NEW_TOKENS = 32

SYSTEM = (
    "Reply to the question with its answer alone, on one line: a name, a few words, or yes or no. "
    "Do not explain it. Where passages come before the question, go by what they say."
)
"""Right with the passages in view and without them."""
PASSAGE = "Passage {number} - {title}:\n{text}"
QUESTION = "Question: {question}\nAnswer:"
BETWEEN = "\n\n"


@dataclass(frozen=True, kw_only=True)
class HotpotSample(Sample):
    """A question with the passages that its answer follows from."""

    supporting_titles: Sequence[str]
    """Titles of those passages; empty where the data does not tell."""


class HotpotQA(Benchmark[HotpotSample]):
    """The validation split of the distractor setting; see the module."""

    primary_metric = "em"
    texts_may_be_shared = True

    def __init__(
        self,
        *,
        protocol: str = "benchmark",
        path: str | None = None,
        revision: str | None = None,
        max_new_tokens: Annotated[int, Ge(1)] = MAX_NEW_TOKENS,
    ) -> None:
        """Settings of one evaluation.

        Args:
            protocol: ``benchmark`` or ``paper``, see the module.
            path: the official JSON, or a file or folder with rows as the hub has them; None takes
                what was fetched, then the hub.
            revision: commit of the hub's data set; None takes the newest and stores which it was.
            max_new_tokens: of an answer.

        Raises:
            InvalidInput: a protocol that does not exist, or no room for an answer.
        """
        check_protocol(protocol)
        check_new_tokens(max_new_tokens)
        self._paper = protocol == "paper"
        self._path, self.max_new_tokens = path, max_new_tokens
        self.source = HubSource(
            id="hotpotqa/hotpot_qa",
            config="distractor",
            splits=("validation",),
            revision=revision,
            files=("distractor/validation-*.parquet",),
            licence="CC BY-SA 4.0",
        )

    def sources(self) -> Sequence[HubSource]:
        """The hub's data set."""
        return (self.source,)

    def read(self) -> tuple[Data, list[Entry[HotpotSample]]]:
        """The questions with their passages, held against the setting and size of the release."""
        located, data = load_rows(self.source, given=self._path)
        rows = [check(HotpotRow, row) for row in located]
        self._passages: dict[str, tuple[Message, ...]] = {}
        entries = []
        for number, (row, at) in enumerate(zip(rows, located, strict=True), 1):
            sample = _sample(row, number)
            self._passages[sample.id] = tuple(_passages(row))
            entries.append(
                Entry(
                    where=at.where, history_id=sample.id, samples=[sample], content=digest_of(row)
                )
            )
        self._subset, differences = setting_of(rows)
        if len(rows) != QUESTIONS:
            differences.append(
                f"HotpotQA has {len(rows):,} questions instead of the {QUESTIONS:,} of the release"
            )
        return replace(data, subset=self._subset, deviations=tuple(differences)), entries

    def history(self, history_id: str) -> History:
        """The instructions, and one message per passage."""
        system: Message = {"role": "system", "content": SYSTEM}
        messages = (system, *self._passages[history_id])
        return History(messages=messages, join=BETWEEN, cut=Cut(side="end"))

    def decoding(self, sample: HotpotSample) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self.max_new_tokens)

    def usual_limit(self, sample: HotpotSample) -> int:
        """The default of ``max_new_tokens``."""
        return MAX_NEW_TOKENS

    def score_answer(self, sample: HotpotSample, answer: str) -> dict[str, float]:
        """``em`` and ``f1`` of the first line that is not empty."""
        line = first_written_line(answer)
        scores = paper_scores if self._paper else hotpot_scores
        return scores(line, sample.references[0])

    def protocol(self) -> Mapping[str, object]:
        """Templates, group map with counts, cut, decoding and metrics."""
        return {
            "benchmark": "hotpotqa",
            "version": 1,
            "setting": self._subset,
            "templates": [SYSTEM, PASSAGE, BETWEEN, QUESTION],
            "cut": "last passages",
            "groups": dict(Counter(group for s in self._samples for group in s.groups)),
            "decoding": vars(Decoding(max_new_tokens=self.max_new_tokens)),
            "answer": "first line that is not empty",
            "metrics": PAPER_RULE if self._paper else HOTPOT_RULE,
        }


def _sample(row: HotpotRow, number: int) -> HotpotSample:
    """A question without its passages. Copies in the wild lack ids: those count their rows."""
    identity = row.identity or f"row-{number}"
    question = row.question.strip()
    return HotpotSample(
        id=identity,
        history_id=identity,
        question=QUESTION.format(question=question),
        asked=question,
        references=(row.answer,),
        groups=tuple(name for name in (row.type, row.level) if name),
        supporting_titles=row.supporting_titles,
    )


def _passages(row: HotpotRow) -> Iterator[Message]:
    """One message per passage; sentences are joined by single spaces, empty ones left out."""
    for number, (title, sentences) in enumerate(row.context, 1):
        text = " ".join(sentence.strip() for sentence in sentences if sentence.strip())
        content = PASSAGE.format(number=number, title=title, text=text).rstrip()
        yield {"role": "user", "content": content, "title": title}
