"""The base class of benchmarks: samples, histories, a score, and the protocol behind them."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic

from pydantic import BaseModel
from typing_extensions import TypeVar

from deltamem_base.faults import InvalidData, InvalidInput
from deltamem_evaluations.judging.rules import Inquiry
from deltamem_evaluations.metrics.statistics import Metric, ScoredQuestion, summarise
from deltamem_evaluations.sample import Decoding, History, Sample
from deltamem_evaluations.thinking import THINKING_RULE, final_answer

__all__ = ["Benchmark", "Data", "Entry", "Scored", "check_new_tokens", "digest_of"]

Kind = TypeVar("Kind", bound=Sample, default=Sample)
"""The class of a benchmark's samples."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """Provenance of the samples."""

    source: str
    """Hub id, file name or generator."""
    subset: str | None = None
    """Which part of a data set its content shows it to be, such as ``distractor, validation``."""
    revision: str | None = None
    sha256: str | None = None
    """Digest of the file."""
    content: str | None = None
    """Digest of the rows as they are understood: the same for every form of their file."""
    deviations: tuple[str, ...] = ()
    """Differences from the release, in words for a footnote."""


@dataclass(frozen=True, kw_only=True)
class Entry(Generic[Kind]):
    """One history of the data with the questions about it."""

    where: str
    """File and row, or the settings that it is made from; for messages."""
    history_id: str
    samples: Sequence[Kind]
    content: str
    """Digest of all that the history, its questions and their references are made from."""


def digest_of(content: object) -> str:
    """sha256 over a validated row or plain values, whatever the order of their keys."""
    values = content.model_dump() if isinstance(content, BaseModel) else content
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_new_tokens(limit: int | None) -> None:
    """Refuse a limit of new tokens that leaves no room for an answer.

    Raises:
        InvalidInput: it is below 1.
    """
    if limit is not None and limit < 1:
        raise InvalidInput(f"bench.max_new_tokens is {limit}; it must be at least 1")


@dataclass(frozen=True, kw_only=True)
class Scored(Generic[Kind]):
    """A sample with the scores of its prediction."""

    sample: Kind
    scores: Mapping[str, float]


class Benchmark(ABC, Generic[Kind]):
    """A data set with its prompts, its decoding and its scorer.

    Constructors are cheap; the data is loaded by :meth:`load`, before any model is.
    """

    _data: Data
    _samples: Sequence[Kind]

    primary_metric: str
    """The metric that stands in tables."""
    confidential: ClassVar[bool] = False
    """Whether it is forbidden to print, store or publish the questions."""
    texts_may_be_shared: ClassVar[bool] = False
    """Whether the licence of the data lets anybody spread its questions and what answers quote of
    them. Where it does not, published lines hold ids, scores and digests of answers."""
    fills_answers: ClassVar[bool] = False
    """Whether answers are meant to have as many tokens as they may."""

    released: ClassVar[str | None] = None
    """``Data.content`` of the release, where it is known: other rows are a deviation."""

    def load(self) -> None:
        """Read the data, and make sure that every id stands for one thing.

        Raises:
            Unavailable: it is not on this machine and cannot be fetched.
            InvalidData: a file of the wrong shape, an id that stands twice, or nothing to ask.
        """
        data, entries = self.read()
        _refuse_repeated(entries)
        content = digest_of([[entry.history_id, entry.content] for entry in entries])
        deviations = data.deviations
        if self.released is not None and content != self.released:
            deviations = (f"the rows are not those of the released {data.source}", *deviations)
        self._samples = [sample for entry in entries for sample in entry.samples]
        if not self._samples:
            raise InvalidData(f"{data.source} holds no question to ask")
        deviations = (*deviations, *self._other_limits())
        self._data = replace(data, content=content, deviations=deviations)

    @abstractmethod
    def read(self) -> tuple[Data, Sequence[Entry[Kind]]]:
        """Provenance of the data, and its histories with their questions in its order."""

    def sources(self) -> Sequence[Any]:
        """Hub data sets and released files that `deltamem fetch` downloads; none by default."""
        return ()

    def data(self) -> Data:
        """Provenance of what was loaded."""
        return self._data

    def samples(self) -> Sequence[Kind]:
        """All questions in the order of the data; those about one history stand together."""
        return self._samples

    @abstractmethod
    def history(self, history_id: str) -> History:
        """The history of the questions that share ``history_id``."""

    @abstractmethod
    def decoding(self, sample: Kind) -> Decoding:
        """Settings by which this sample's answer is decoded."""

    def usual_limit(self, sample: Kind) -> int:
        """Most new tokens of this sample's answer by the protocol; another limit is a deviation."""
        return self.decoding(sample).max_new_tokens

    def _other_limits(self) -> Iterator[str]:
        """A sentence where answers have another limit of new tokens than the protocol's."""
        pairs = {(self.decoding(s).max_new_tokens, self.usual_limit(s)) for s in self._samples}
        other = {pair for pair in pairs if pair[0] != pair[1]}
        if other:
            set_to, usual = (_in_words(numbers) for numbers in zip(*other, strict=True))
            yield f"answers may have {set_to} new tokens instead of the protocol's {usual}"

    def score(self, sample: Kind, prediction: str) -> dict[str, float]:
        """Scores of one prediction by metric: of what it says after its thinking, if it has any."""
        return self.score_answer(sample, final_answer(prediction).text)

    @abstractmethod
    def score_answer(self, sample: Kind, answer: str) -> dict[str, float]:
        """Scores of one answer by metric; a metric that does not apply is left out.

        Args:
            sample: the question with its references.
            answer: without thinking; empty where there is no answer.
        """

    def ask_judge(self, sample: Kind, answer: str) -> Inquiry | None:
        """Questions to a judging model about one answer; None where answers have no judge.

        Args:
            sample: the question with its references.
            answer: without thinking; empty where there is no answer.
        """
        return None

    @abstractmethod
    def protocol(self) -> Mapping[str, object]:
        """All that decides a number beside the method: templates, cuts, decoding, metrics."""

    def metrics(self, scored: Sequence[Scored[Kind]]) -> dict[str, Metric]:
        """Means with intervals, over all and by group, for each metric of :meth:`score`."""
        names = dict.fromkeys(name for s in scored for name in s.scores)
        return {
            name: summarise(
                [
                    ScoredQuestion(
                        score=s.scores[name], history=s.sample.history_id, groups=s.sample.groups
                    )
                    for s in scored
                    if name in s.scores
                ]
            )
            for name in names
        }

    def fingerprint(self) -> str:
        """Hash of the protocol and the data: numbers are comparable only where it is equal."""
        content = {**self.protocol(), "thinking": THINKING_RULE, "data": self.data().content}
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _in_words(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _refuse_repeated(entries: Sequence[Entry[Any]]) -> None:
    """A history that stands twice would answer for the other, and a sample's score be lost."""
    histories: set[str] = set()
    samples: set[str] = set()
    for entry in entries:
        if entry.history_id in histories:
            raise InvalidData(
                f"{entry.where}: an earlier row has its id '{entry.history_id}' already"
            )
        histories.add(entry.history_id)
        for sample in entry.samples:
            if sample.id in samples:
                raise InvalidData(f"{entry.where}: an earlier question has its id '{sample.id}'")
            samples.add(sample.id)
