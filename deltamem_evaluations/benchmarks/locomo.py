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
the conversation does not tell (:mod:`deltamem_evaluations.metrics.not_told`).

``protocol=benchmark``: chronological history, greedy. ``protocol=paper``: sessions newest first,
sampled answers (T 0.4, top-p 0.9, top-k 10) and the authors' scorer, as behind the paper's tables.
The data is CC BY-NC 4.0 and not a part of this project.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Annotated, ClassVar

from annotated_types import Ge, Interval, MinLen

from deltamem_base.digests import sha256_of
from deltamem_base.faults import InvalidInput
from deltamem_evaluations.benchmark import Benchmark, Data, Entry, check_new_tokens, digest_of
from deltamem_evaluations.data.datafile import UrlSource, check_protocol, locate
from deltamem_evaluations.data.rows.files import read_file
from deltamem_evaluations.data.rows.locomo import Conversation, Session, Turn, read_conversation
from deltamem_evaluations.judging.locomo import mem0_question
from deltamem_evaluations.judging.rules import Inquiry, asked_once
from deltamem_evaluations.metrics.not_told import NOT_TOLD, NOT_TOLD_RULES, not_told
from deltamem_evaluations.metrics.text import (
    best_part_f1,
    first_written_line,
    stem_tokens,
    token_f1,
)
from deltamem_evaluations.sample import Cut, Decoding, History, Message, Sample

__all__ = ["CATEGORIES", "COUNTS", "SOURCE", "Locomo", "LocomoSample"]

SOURCE = UrlSource(
    name="locomo10.json",
    url="https://raw.githubusercontent.com/snap-research/locomo/main/data/locomo10.json",
    sha256="79fa87e90f04081343b8c8debecb80a9a6842b76a7aa537dc9fdf651ea698ff4",
    licence="CC BY-NC 4.0, non-commercial",
)

CONTENT = "441bfc13cbe2b28bb900f2cdab20d7f32f80e527d476d0b2f5c16c362dd76bdc"
"""Digest of the released rows, in whatever form of file they come."""

Category = Annotated[int, Interval(ge=1, le=5)]
CATEGORIES = {1: "multi_hop", 2: "temporal", 3: "open_domain", 4: "single_hop", 5: "adversarial"}
COUNTS = {1: 282, 2: 321, 3: 96, 4: 841, 5: 446}
MAX_NEW_TOKENS = 50

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


@dataclass(frozen=True, kw_only=True)
class LocomoSample(Sample):
    """A question with what the release says of it."""

    category: int
    evidence: Sequence[str]
    """Ids of the turns that tell the answer."""
    letters: Mapping[str, str] = field(default_factory=dict)
    """Both options of a question of category 5 by their letters."""


class Locomo(Benchmark[LocomoSample]):
    """The ten conversations; see the module."""

    primary_metric = "f1"
    released: ClassVar[str] = CONTENT

    def __init__(
        self,
        *,
        protocol: str = "benchmark",
        path: str | None = None,
        conversations: Annotated[int, Ge(1)] | None = None,
        categories: Annotated[Sequence[Category], MinLen(1)] = (1, 2, 3, 4, 5),
        max_new_tokens: Annotated[int, Ge(1)] | None = None,
    ) -> None:
        """Settings of one evaluation.

        Args:
            protocol: ``benchmark`` or ``paper``, see the module.
            path: a local ``locomo10.json``; None looks in the data folder, then downloads it.
            conversations: only so many, the first; None is all.
            categories: categories of questions to ask.
            max_new_tokens: of an answer; None takes the protocols' 50.

        Raises:
            InvalidInput: a protocol or category that does not exist, or no room for an answer.
        """
        check_protocol(protocol)
        check_new_tokens(max_new_tokens)
        for category in categories:
            if category not in CATEGORIES:
                raise InvalidInput(
                    f"bench.categories has {category}; choose among "
                    + ", ".join(f"{i} ({name})" for i, name in CATEGORIES.items())
                )
        self._paper = protocol == "paper"
        self._path, self.categories = path, tuple(categories)
        self._conversation_count = conversations
        self._max_new_tokens = max_new_tokens or MAX_NEW_TOKENS

    def read(self) -> tuple[Data, list[Entry[LocomoSample]]]:
        """The conversations, whose questions by category are held against their counts."""
        path = locate(SOURCE, given=self._path)
        self._conversations: dict[str, Conversation] = {}
        self._counts: Counter[int] = Counter()
        entries = []
        for row in islice(read_file(path), self._conversation_count):
            found = read_conversation(row)
            self._conversations[found.sample_id] = found
            self._counts.update(question.category for question in found.qa)
            asked = [s for s in _questions(found) if s.category in self.categories]
            entries.append(
                Entry(
                    where=row.where,
                    history_id=found.sample_id,
                    samples=asked,
                    content=digest_of(found),
                )
            )
        deviations = []
        if self._conversation_count is not None:
            deviations.append(f"only the first {len(entries)} conversations are asked about")
        elif dict(self._counts) != COUNTS:
            counts = ", ".join(f"{c}: {self._counts[c]}" for c in CATEGORIES)
            deviations.append(f"questions by category are {counts} instead of the released counts")
        data = Data(source=SOURCE.name, sha256=sha256_of(path), deviations=tuple(deviations))
        return data, entries

    def sources(self) -> Sequence[UrlSource]:
        """The released file."""
        return [SOURCE]

    def history(self, history_id: str) -> History:
        """One message per turn, all in one user turn that the question continues."""
        conversation = self._conversations[history_id]
        speakers = {"a": conversation.speaker_a, "b": conversation.speaker_b}
        sessions = [_messages(session) for session in conversation.sessions]
        if self._paper:
            sessions.reverse()
        turns: list[Message] = [{"role": "system", "content": SYSTEM.format(**speakers)}]
        turns += [message for session in sessions for message in session]
        cut = Cut(side="end" if self._paper else "start")
        return History(messages=tuple(turns), join="\n", cut=cut)

    def decoding(self, sample: LocomoSample) -> Decoding:
        """Greedy, or as in the paper."""
        if self._paper:
            return Decoding(
                max_new_tokens=self._max_new_tokens, temperature=0.4, top_p=0.9, top_k=10
            )
        return Decoding(max_new_tokens=self._max_new_tokens)

    def usual_limit(self, sample: LocomoSample) -> int:
        """New tokens that both protocols allow."""
        return MAX_NEW_TOKENS

    def score_answer(self, sample: LocomoSample, answer: str) -> dict[str, float]:
        """``f1`` of categories 1-4, or ``adversarial`` of category 5."""
        line = first_written_line(answer)
        category, reference = sample.category, sample.references[0]
        if category == 5:
            options, protocol = sample.letters, "paper" if self._paper else "benchmark"
            return {"adversarial": float(not_told(line, options, protocol=protocol))}
        tokens = partial(stem_tokens, decompose=self._paper)
        if category == 1:
            return {"f1": best_part_f1(line, reference, tokens=tokens)}
        if category == 3:
            reference = reference.split(";")[0]
        return {"f1": token_f1(tokens(line), tokens(reference))}

    def ask_judge(self, sample: LocomoSample, answer: str) -> Inquiry | None:
        """The prompt of Mem0's judge, which is not LoCoMo's own; category 5 has none."""
        if sample.category == 5:
            return None
        return asked_once(
            mem0_question(question=sample.asked, reference=sample.references[0], answer=answer)
        )

    def protocol(self) -> Mapping[str, object]:
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


def _messages(session: Session) -> list[Message]:
    """Messages of a session; the first one carries the date."""
    date = "unknown" if session.date is None else session.date
    preamble = f"DATE: {date}\nCONVERSATION:\n"
    return [
        {
            "role": "user",
            "content": ("" if position else preamble) + _said(turn),
            "speaker": turn.speaker,
            "session": str(session.number),
            "preamble": preamble,
            "dia_id": turn.dia_id or "",
        }
        for position, turn in enumerate(session.turns)
    ]


def _said(turn: Turn) -> str:
    shared = f" and shared {turn.blip_caption}." if turn.blip_caption else ""
    return f'{turn.speaker} said, "{turn.text}"{shared}'


def _questions(conversation: Conversation) -> Iterator[LocomoSample]:
    for number, row in enumerate(conversation.qa):
        question, reference = row.question, row.answer
        identity = f"{conversation.sample_id}-{number}"
        options: tuple[str, ...] = ()
        letters: dict[str, str] = {}
        if row.category == 5:
            # the gold answer, which two questions have beside their trap, is no wrong option
            other = row.adversarial_answer or row.answer or ""
            question, letters = _with_choice(identity, question, other)
            reference, options = NOT_TOLD, (NOT_TOLD, other)
        elif row.category == 2:
            question += DATE_HINT
        assert reference is not None
        yield LocomoSample(
            id=identity,
            history_id=conversation.sample_id,
            question=QUESTION.format(question=question),
            asked=row.question,
            options=options,
            references=(reference,),
            groups=(CATEGORIES[row.category],),
            category=row.category,
            evidence=row.evidence or [],
            letters=letters,
        )


def _with_choice(key: str, question: str, other: str) -> tuple[str, dict[str, str]]:
    """Category 5: the question with both options, and each option by its letter."""
    first = hashlib.sha256(f"{key} options".encode()).digest()[0] % 2 == 0
    a, b = (NOT_TOLD, other) if first else (other, NOT_TOLD)
    return question + CHOICE_HINT.format(a=a, b=b), {"a": a, "b": b}
