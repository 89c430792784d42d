"""What every benchmark provides: samples, histories, a score, and the protocol behind them."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from evaluations.metrics.statistics import Metric, summarise
from evaluations.sample import Decoding, History, Sample
from evaluations.thinking import THINKING_RULE, final_answer

__all__ = ["Benchmark", "Data", "Scored"]


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where the samples come from."""

    source: str
    """Hub id, file name or generator."""
    revision: str | None = None
    sha256: str | None = None
    deviations: tuple[str, ...] = ()
    """Where the data differs from the release, in words for a footnote."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A sample with the scores of its prediction."""

    sample: Sample
    scores: Mapping[str, float]


class Benchmark(ABC):
    """A data set with its prompts, its decoding and its scorer.

    Constructors are cheap; the data is loaded by :meth:`load`, before any model is.
    """

    primary_metric: ClassVar[str]
    """The metric that stands in tables."""
    confidential: ClassVar[bool] = False
    """Its questions must not be printed, stored or published."""
    fills_answers: ClassVar[bool] = False
    """Its answers are meant to have as many tokens as they may."""

    @abstractmethod
    def load(self) -> None:
        """Read the data.

        Raises:
            DataUnavailable: it is not on this machine and cannot be fetched.
            InvalidData: a file of the wrong shape.
        """

    def sources(self) -> Sequence[Any]:
        """What `deltamem fetch` downloads: hub data sets and released files; none by default."""
        return ()

    @abstractmethod
    def data(self) -> Data:
        """Provenance of what was loaded."""

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """All questions; those about one history stand together."""

    @abstractmethod
    def history(self, history_id: str) -> History:
        """What comes before the questions that share ``history_id``."""

    @abstractmethod
    def decoding(self, sample: Sample) -> Decoding:
        """How this sample's answer is decoded."""

    def score(self, sample: Sample, prediction: str) -> dict[str, float]:
        """Scores of one prediction by metric: of what it says after its thinking, if it has any."""
        return self.score_answer(sample, final_answer(prediction).text)

    @abstractmethod
    def score_answer(self, sample: Sample, answer: str) -> dict[str, float]:
        """Scores of one answer by metric; a metric that does not apply is left out.

        Args:
            sample: the question with its references.
            answer: without thinking; empty where there is no answer.
        """

    @abstractmethod
    def protocol(self) -> Mapping[str, Any]:
        """All that decides a number beside the method: templates, cuts, decoding, metrics."""

    def metrics(self, scored: Sequence[Scored]) -> dict[str, Metric]:
        """Means with intervals, over all and by group, for each metric of :meth:`score`."""
        names = dict.fromkeys(name for s in scored for name in s.scores)
        return {
            name: summarise(
                [
                    (s.scores[name], s.sample.history_id, s.sample.groups)
                    for s in scored
                    if name in s.scores
                ]
            )
            for name in names
        }

    def fingerprint(self) -> str:
        """Hash of the protocol and the data: numbers are comparable only where it is equal."""
        data = self.data()
        content = {
            **self.protocol(),
            "thinking": THINKING_RULE,
            "data": [data.source, data.revision, data.sha256],
        }
        text = json.dumps(content, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
