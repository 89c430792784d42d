"""LoCoMo (Maharana et al., 2024): ten very long conversations between two people, 1,986 questions.

    history    DATE: 1:56 pm on 8 May, 2023
               CONVERSATION:
               Caroline said, "Hey Mel! Good to see you!"
               ...
    question   When did Caroline go to the LGBTQ support group?
    reference  7 May 2023

Groups are the categories, by number and count: 1 multi-hop 282, 2 temporal 321, 3 open-domain 96,
4 single-hop 841, 5 adversarial 446. ``f1`` is the token F1 over Porter stems of categories 1-4,
weighted by questions; category 1 is scored per comma part of the reference, in category 3 the
reference ends at the first ";". Category 5 is apart (``adversarial``): 1 where the answer says that
the conversation does not tell (:mod:`evaluations.metrics.not_told`).

``protocol=benchmark``: chronological history, greedy. ``protocol=paper``: sessions newest first,
sampled answers (T 0.4, top-p 0.9, top-k 10) and the authors' scorer, as behind the paper's tables.
The data is CC BY-NC 4.0 and not a part of this project.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from evaluations.benchmark import Benchmark, Data
from evaluations.datafile import UrlSource, check_protocol, locate, read_json, sha256_of
from evaluations.errors import InvalidData, InvalidSetting
from evaluations.metrics.not_told import NOT_TOLD, NOT_TOLD_RULES, not_told
from evaluations.metrics.text import best_part_f1, stem_tokens, token_f1
from evaluations.sample import Cut, Decoding, History, Message, Sample

__all__ = ["CATEGORIES", "COUNTS", "SOURCE", "Locomo"]

SOURCE = UrlSource(
    name="locomo10.json",
    url="https://raw.githubusercontent.com/snap-research/locomo/main/data/locomo10.json",
    sha256="79fa87e90f04081343b8c8debecb80a9a6842b76a7aa537dc9fdf651ea698ff4",
    licence="CC BY-NC 4.0, non-commercial",
)

CATEGORIES = {1: "multi_hop", 2: "temporal", 3: "open_domain", 4: "single_hop", 5: "adversarial"}
COUNTS = {1: 282, 2: 321, 3: 96, 4: 841, 5: 446}

SYSTEM = (
    "You answer questions about a conversation between {a} and {b}. It took place over several "
    "days; the date of each day stands before what was said on it."
)
QUESTION = (
    "From the conversation, answer the question in a few words, with words of the conversation "
    "where you can; no full sentence.\n\nQuestion: {question}"
)
DATE_HINT = " Use the date of the conversation to give an approximate date."
CHOICE_HINT = " Choose (a) {a} or (b) {b}, and answer with (a) or (b)."


class Locomo(Benchmark):
    """The ten conversations; see the module."""

    primary_metric: ClassVar[str] = "f1"

    def __init__(
        self,
        *,
        protocol: str = "benchmark",
        path: str | None = None,
        categories: Sequence[int] = (1, 2, 3, 4, 5),
    ) -> None:
        """Settings of one evaluation.

        Args:
            protocol: ``benchmark`` or ``paper``, see the module.
            path: a local ``locomo10.json``; None looks in the data folder, then downloads it.
            categories: which to ask.

        Raises:
            InvalidSetting: a protocol or category that does not exist.
        """
        check_protocol(protocol)
        for category in categories:
            if category not in CATEGORIES:
                raise InvalidSetting(
                    f"bench.categories has {category}; choose among "
                    + ", ".join(f"{i} ({name})" for i, name in CATEGORIES.items())
                )
        self._paper = protocol == "paper"
        self._path, self.categories = path, tuple(categories)

    def load(self) -> None:
        """Read the file and check its categories against their published counts."""
        path = locate(SOURCE, given=self._path)
        self._conversations: dict[str, Mapping[str, Any]] = {}
        self._samples: list[Sample] = []
        for i, row in enumerate(read_json(path, list)):
            where = f"{path}, conversation {i + 1}"
            sample_id = str(_field(row, "sample_id", where, str | int))
            self._conversations[sample_id] = _field(row, "conversation", where, dict)
            self._samples += _questions(sample_id, _field(row, "qa", where, list), where)
        self._counts = Counter(sample.metadata["category"] for sample in self._samples)
        self._samples = [s for s in self._samples if s.metadata["category"] in self.categories]
        digest, deviations = sha256_of(path), []
        if digest != SOURCE.sha256:
            deviations.append("locomo10.json is not the released file (sha256 differs)")
        if dict(self._counts) != COUNTS:
            counts = ", ".join(f"{c}: {self._counts[c]}" for c in CATEGORIES)
            deviations.append(f"questions by category are {counts} instead of the released counts")
        self._data = Data(source=SOURCE.name, sha256=digest, deviations=tuple(deviations))

    def sources(self) -> Sequence[UrlSource]:
        """The released file."""
        return [SOURCE]

    def data(self) -> Data:
        """The file by its sha256."""
        return self._data

    def samples(self) -> Sequence[Sample]:
        """Questions in the order of the file."""
        return self._samples

    def history(self, history_id: str) -> History:
        """One message per turn, all in one user turn that the question continues."""
        conversation = self._conversations[history_id]
        speakers = {
            "a": conversation.get("speaker_a", "A"),
            "b": conversation.get("speaker_b", "B"),
        }
        sessions = list(_sessions(conversation))
        if self._paper:
            sessions.reverse()
        turns: list[Message] = [{"role": "system", "content": SYSTEM.format(**speakers)}]
        turns += [message for session in sessions for message in session]
        cut = Cut(side="end" if self._paper else "start")
        return History(messages=tuple(turns), join="\n", cut=cut)

    def decoding(self, sample: Sample) -> Decoding:
        """50 new tokens: greedy, or as in the paper."""
        if self._paper:
            return Decoding(max_new_tokens=50, temperature=0.4, top_p=0.9, top_k=10)
        return Decoding(max_new_tokens=50)

    def score_answer(self, sample: Sample, answer: str) -> dict[str, float]:
        """``f1`` of categories 1-4, or ``adversarial`` of category 5."""
        line = next((part.strip() for part in answer.splitlines() if part.strip()), "")
        category, reference = sample.metadata["category"], sample.references[0]
        if category == 5:
            options, protocol = sample.metadata["letters"], "paper" if self._paper else "benchmark"
            return {"adversarial": float(not_told(line, options, protocol=protocol))}
        tokens = partial(stem_tokens, decompose=self._paper)
        if category == 1:
            return {"f1": best_part_f1(line, reference, tokens=tokens)}
        if category == 3:
            reference = reference.split(";")[0]
        return {"f1": token_f1(tokens(line), tokens(reference))}

    def protocol(self) -> Mapping[str, Any]:
        """Templates, category map with counts, order, cut, decoding and metrics."""
        return {
            "benchmark": "locomo",
            "version": 1,
            "templates": [SYSTEM, QUESTION, DATE_HINT, CHOICE_HINT],
            "order": "newest session first" if self._paper else "chronological",
            "cut": "oldest turns",
            "categories": {CATEGORIES[c]: self._counts[c] for c in self.categories},
            "decoding": vars(self.decoding(self._samples[0])),
            "metrics": {
                "f1": "porter-stem token F1"
                + (" after NFD" if self._paper else "")
                + "; category 1 per comma part, category 3 up to ';'",
                "adversarial": NOT_TOLD_RULES["paper" if self._paper else "benchmark"],
            },
        }


def _field(row: Any, name: str, where: str, kind: Any) -> Any:
    value = row.get(name) if isinstance(row, Mapping) else None
    if not isinstance(value, kind):
        raise InvalidData(f"{where}: '{name}' is missing or not of the kind that LoCoMo has")
    return value


def _sessions(conversation: Mapping[str, Any]) -> Iterator[list[Message]]:
    """Messages of each session that was held, oldest first; the first one carries the date."""
    numbers = sorted(
        int(match[1]) for key in conversation if (match := re.fullmatch(r"session_(\d+)", key))
    )
    for number in numbers:
        date = conversation.get(f"session_{number}_date_time", "unknown")
        preamble = f"DATE: {date}\nCONVERSATION:\n"
        yield [
            {
                "role": "user",
                "content": ("" if position else preamble) + _turn(turn),
                "speaker": turn["speaker"],
                "session": str(number),
                "preamble": preamble,
                "dia_id": turn.get("dia_id", ""),
            }
            for position, turn in enumerate(conversation[f"session_{number}"])
        ]


def _turn(turn: Mapping[str, Any]) -> str:
    caption = turn.get("blip_caption")
    shared = f" and shared {caption}." if caption else ""
    return f'{turn["speaker"]} said, "{turn.get("text", "")}"{shared}'


def _questions(sample_id: str, rows: Sequence[Any], where: str) -> Iterator[Sample]:
    for number, row in enumerate(rows):
        at = f"{where}, question {number + 1}"
        question, category = _field(row, "question", at, str), _field(row, "category", at, int)
        if category not in CATEGORIES:
            raise InvalidData(f"{at}: category {category} does not exist")
        metadata: dict[str, Any] = {
            "category": category,
            "evidence": row.get("evidence", []),
        }
        reference = row.get("answer")
        asked = question
        options: tuple[str, ...] = ()
        if category == 5:
            # the gold answer, which two questions have beside their trap, is no wrong option
            other = row.get("adversarial_answer") or row.get("answer") or ""
            question, metadata["letters"] = _with_choice(
                f"{sample_id}-{number}", question, str(other)
            )
            reference, options = NOT_TOLD, (NOT_TOLD, str(other))
        elif category == 2:
            question += DATE_HINT
        if reference is None:
            raise InvalidData(f"{at}: 'answer' is missing")
        yield Sample(
            id=f"{sample_id}-{number}",
            history_id=sample_id,
            question=QUESTION.format(question=question),
            asked=asked,
            options=options,
            references=(str(reference),),
            groups=(CATEGORIES[category],),
            metadata=metadata,
        )


def _with_choice(key: str, question: str, other: str) -> tuple[str, dict[str, str]]:
    """Category 5: the question with both options, and each option by its letter."""
    first = hashlib.sha256(f"{key} options".encode()).digest()[0] % 2 == 0
    a, b = (NOT_TOLD, other) if first else (other, NOT_TOLD)
    return question + CHOICE_HINT.format(a=a, b=b), {"a": a, "b": b}
