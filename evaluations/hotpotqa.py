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
from dataclasses import replace
from typing import Any, ClassVar

from evaluations.benchmark import Benchmark, Data
from evaluations.datafile import check_protocol
from evaluations.errors import InvalidData, InvalidSetting
from evaluations.metrics.squad import HOTPOT_RULE, PAPER_RULE, hotpot_scores, paper_scores
from evaluations.sample import Cut, Decoding, History, Message, Sample
from evaluations.sources import HubSource, Row, field, load_rows, refuse_repeated

__all__ = ["HotpotQA"]

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


class HotpotQA(Benchmark):
    """The validation split of the distractor setting; see the module."""

    primary_metric: ClassVar[str] = "em"

    def __init__(
        self,
        *,
        protocol: str = "benchmark",
        path: str | None = None,
        revision: str | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
    ) -> None:
        """Settings of one evaluation.

        Args:
            protocol: ``benchmark`` or ``paper``, see the module.
            path: the official JSON, or a file or folder with rows as the hub has them; None takes
                what was fetched, then the hub.
            revision: commit of the hub's data set; None takes the newest and stores which it was.
            max_new_tokens: of an answer.

        Raises:
            InvalidSetting: a protocol that does not exist, or no room for an answer.
        """
        check_protocol(protocol)
        if max_new_tokens < 1:
            raise InvalidSetting(f"bench.max_new_tokens is {max_new_tokens}; it must be at least 1")
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

    def load(self) -> None:
        """Read the questions with their passages, and compare their number with the release's."""
        rows, data = load_rows(self.source, given=self._path)
        self._passages: dict[str, tuple[Message, ...]] = {}
        self._samples: list[Sample] = []
        for number, row in enumerate(rows, 1):
            sample = _sample(row, number)
            refuse_repeated(sample.id, self._passages, row)
            self._passages[sample.id] = tuple(_passages(row))
            self._samples.append(sample)
        self._data = data if len(rows) == QUESTIONS else _resized(data, len(rows))

    def data(self) -> Data:
        """Revision and sha256, and whether the number of questions is the release's."""
        return self._data

    def samples(self) -> Sequence[Sample]:
        """Questions in the order of the data."""
        return self._samples

    def history(self, history_id: str) -> History:
        """The instructions, and one message per passage."""
        system: Message = {"role": "system", "content": SYSTEM}
        messages = (system, *self._passages[history_id])
        return History(messages=messages, join=BETWEEN, cut=Cut(side="end"))

    def decoding(self, sample: Sample) -> Decoding:
        """Greedy."""
        return Decoding(max_new_tokens=self.max_new_tokens)

    def score_answer(self, sample: Sample, answer: str) -> dict[str, float]:
        """``em`` and ``f1`` of the first line that is not empty."""
        line = next((part.strip() for part in answer.splitlines() if part.strip()), "")
        scores = paper_scores if self._paper else hotpot_scores
        return scores(line, sample.references[0])

    def protocol(self) -> Mapping[str, Any]:
        """Templates, group map with counts, cut, decoding and metrics."""
        return {
            "benchmark": "hotpotqa",
            "version": 1,
            "setting": f"{self.source.config}, {', '.join(self.source.splits)}",
            "templates": [SYSTEM, PASSAGE, BETWEEN, QUESTION],
            "cut": "last passages",
            "groups": dict(Counter(group for s in self._samples for group in s.groups)),
            "decoding": vars(Decoding(max_new_tokens=self.max_new_tokens)),
            "answer": "first line that is not empty",
            "metrics": PAPER_RULE if self._paper else HOTPOT_RULE,
        }


def _sample(row: Row, number: int) -> Sample:
    """A question without its passages. Copies in the wild lack ids: those count their rows."""
    given = (row.values.get(name) for name in ("_id", "id"))
    identity = str(next((i for i in given if i not in (None, "")), f"row-{number}"))
    answer = field(row, "answer", str | int | float)
    if isinstance(answer, bool):
        raise InvalidData(f"{row.where}: 'answer' is a bool; HotpotQA has yes and no as text")
    question = field(row, "question", str).strip()
    named = [row.values.get(name) for name in ("type", "level")]
    return Sample(
        id=identity,
        history_id=identity,
        question=QUESTION.format(question=question),
        asked=question,
        references=(str(answer),),
        groups=tuple(str(name) for name in named if name),
        metadata={"supporting_titles": _supporting_titles(row)},
    )


def _passages(row: Row) -> Iterator[Message]:
    """One message per passage; sentences are joined by single spaces, empty ones left out.

    Raises:
        InvalidData: a context of neither the hub's nor the official file's form.
    """
    for number, pair in enumerate(_pairs(row, "context", ("title", "sentences")), 1):
        title, sentences = pair
        if not isinstance(title, str) or not isinstance(sentences, list):
            raise InvalidData(f"{row.where}: passage {number} of 'context' has no title or no list")
        if not all(isinstance(sentence, str) for sentence in sentences):
            raise InvalidData(f"{row.where}: passage {number} of 'context' holds more than text")
        text = " ".join(sentence.strip() for sentence in sentences if sentence.strip())
        content = PASSAGE.format(number=number, title=title, text=text).rstrip()
        yield {"role": "user", "content": content, "title": title}


def _supporting_titles(row: Row) -> list[str]:
    """Titles of the passages that the answer follows from, each once; none where unknown."""
    if row.values.get("supporting_facts") is None:
        return []
    pairs = _pairs(row, "supporting_facts", ("title", "sent_id"))
    return list(dict.fromkeys(str(title) for title, _ in pairs))


def _pairs(row: Row, name: str, parts: tuple[str, str]) -> list[tuple[Any, Any]]:
    """A field that is an object of two lists (hub) or a list of pairs (official file).

    Raises:
        InvalidData: anything else, or lists of two lengths.
    """
    value = field(row, name, Mapping | list)
    if isinstance(value, Mapping):
        first, second = (value.get(part) for part in parts)
        if not isinstance(first, list) or not isinstance(second, list):
            raise InvalidData(f"{row.where}: '{name}' lacks a list of '{parts[0]}' or '{parts[1]}'")
        if len(first) != len(second):
            raise InvalidData(
                f"{row.where}: '{name}' has {len(first)} of '{parts[0]}' and {len(second)} of "
                f"'{parts[1]}'"
            )
        return list(zip(first, second, strict=True))
    for number, pair in enumerate(value, 1):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InvalidData(f"{row.where}: item {number} of '{name}' is not a pair")
    return [(first, second) for first, second in value]


def _resized(data: Data, number: int) -> Data:
    deviation = f"HotpotQA has {number:,} questions instead of the {QUESTIONS:,} of the release"
    return replace(data, deviations=(*data.deviations, deviation))
