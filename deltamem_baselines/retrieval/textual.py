"""The base of textual memories: text is stored, and a question recalls some of it into view.

    write    messages are kept whole, however long the history, and indexed
    answer   [instructions, recalled text in its order, question] in one prompt of the frozen model

The prompt is the one of the base arm with less history in it. Where it does not fit the window, the
lowest-ranked of what was recalled goes, and the answer says how much.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from deltamem.backbone import (
    Backbone,
    DecodingLike,
    Generation,
    HistoryLike,
    Messages,
    OnAnswer,
    PromptLike,
    answer_prompts,
    system_turn,
    unheard,
)
from deltamem_base.faults import InvalidInput
from deltamem_base.identities import MethodDescription

__all__ = [
    "Recalled",
    "Recollection",
    "Stored",
    "TextStore",
    "TextualMemory",
    "check_part",
    "query_of",
    "text_bytes",
]

CONTEXTS = ("part", "auto")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Cost of storing one piece of history. Nothing of it is in view yet."""

    written_tokens: int
    """Tokens of all text that was stored, summaries included."""
    original_tokens: int
    read_tokens: int
    """Tokens by which the rendering of all that is stored has grown."""
    seconds: float
    state_bytes: int
    """All that is kept of the history so far."""
    shown_tokens: int = 0
    cut_side: str | None = None
    cut_tokens: int = 0


@dataclass(frozen=True, kw_only=True)
class Recalled(Generation):
    """One answer, and how much of what was recalled was in view."""

    recalled_units: int
    """Units in the prompt."""
    dropped_units: int
    """Units that were recalled and did not fit the window."""


@dataclass(frozen=True, kw_only=True)
class Recollection:
    """Text that a question brings back: ``count`` units, ranked."""

    count: int
    show: Callable[[int], Messages]
    """Messages of the n highest-ranked units, in the order in which they are shown."""


@dataclass
class TextStore:
    """The text of one history."""

    system: list[Mapping[str, str]] = field(default_factory=list)
    """Instructions, which stand before everything that is shown."""
    messages: list[Mapping[str, str]] = field(default_factory=list)
    join: str | None = None

    @property
    def shown(self) -> Messages:
        """The messages that would stand in a prompt if all of the text were shown."""
        return [*self.system, *self.messages]

    def append(self, history: HistoryLike) -> Messages:
        """Keep one piece more, and return what of it is new text to remember."""
        fresh = not self.system and not self.messages
        written = list(history.written)
        if fresh:
            self.system = list(system_turn(history.messages))
            written = written[len(system_turn(written)) :]
        self.messages += written
        self.join = history.join
        return written


class TextualMemory(ABC):
    """Stores text, recalls units of it for a question. A subclass says which."""

    def __init__(self, backbone: Backbone, *, context: str) -> None:
        """A memory over one backbone.

        Args:
            backbone: answers; the frozen model.
            context: ``part`` or ``auto``.

        Raises:
            InvalidInput: another context.
        """
        check_part(context)
        self.backbone = backbone
        self.reset()

    @abstractmethod
    def describe(self) -> MethodDescription:
        """Identity: every setting that decides what is recalled."""

    @abstractmethod
    def index(self, pieces: Sequence[Messages]) -> Sequence[int]:
        """Take in what :attr:`stores` got new, per history; return tokens of text stored."""

    @abstractmethod
    def recall(self, history: int, query: str) -> Recollection:
        """Text that a question about one history brings back; leaves the memory as it is."""

    def reset(self, batch: int = 1) -> None:
        """Start ``batch`` empty histories."""
        self.stores = [TextStore() for _ in range(batch)]
        self._tokens = [0] * batch
        """Tokens of the rendering of all that is stored of each history."""

    def write(self, histories: Sequence[HistoryLike]) -> list[Stored]:
        """Append one piece to each history."""
        started = time.perf_counter()
        before = self._tokens
        pieces = [s.append(h) for s, h in zip(self.stores, histories, strict=True)]
        written = self.index(pieces)
        self._tokens = [self._count_rendered(s.shown, s.join) for s in self.stores]
        original = [
            tokens if list(h.messages) == s.shown else self._count_rendered(h.messages, h.join)
            for h, s, tokens in zip(histories, self.stores, self._tokens, strict=True)
        ]
        seconds = (time.perf_counter() - started) / len(histories)
        return [
            Stored(
                written_tokens=w,
                original_tokens=o,
                read_tokens=self._tokens[i] - before[i],
                seconds=seconds,
                state_bytes=self.state_bytes(i),
            )
            for i, (w, o) in enumerate(zip(written, original, strict=True))
        ]

    def _count_rendered(self, messages: Messages, join: str | None) -> int:
        return len(self.backbone.render_history(messages, join=join).ids) if messages else 0

    def state_bytes(self, history: int) -> int:
        """Bytes kept of one history: its text; a subclass adds its index."""
        store = self.stores[history]
        return text_bytes(store.shown)

    def answer(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = unheard,
    ) -> list[Recalled]:
        """Answer each prompt with what its question recalls in view."""
        started = time.perf_counter()
        fitted = [self.fit(prompt, decoding) for prompt in prompts]
        recall_seconds = (time.perf_counter() - started) / len(prompts)

        def recalled(number: int, answer: Generation) -> Recalled:
            _, kept, dropped = fitted[number]
            return Recalled(
                **{**asdict(answer), "seconds": answer.seconds + recall_seconds},
                recalled_units=kept,
                dropped_units=dropped,
            )

        answers = answer_prompts(
            self.backbone,
            prompts,
            [ids for ids, _, _ in fitted],
            decoding,
            side_by_side=side_by_side,
            on_answer=lambda number, answer: on_answer(number, recalled(number, answer)),
        )
        return [recalled(number, answer) for number, answer in enumerate(answers)]

    def fit(self, prompt: PromptLike, decoding: DecodingLike) -> tuple[list[int], int, int]:
        """Token ids of a prompt that leaves room for its answer; units in it; units left out.

        A question that is too long by itself is asked by itself, as the base arm asks it.
        """
        store = self.stores[prompt.history]
        recalled = self.recall(prompt.history, query_of(prompt))
        turn = {"role": "user", "content": prompt.question}
        room = self.backbone.window - decoding.max_new_tokens

        def tokens(count: int) -> list[int]:
            messages = [*store.system, *recalled.show(count), turn]
            render = self.backbone.render
            return render(messages, join=store.join, add_generation_prompt=True).ids

        ids = tokens(recalled.count)
        if len(ids) <= room:
            return ids, recalled.count, 0
        low, high = 0, recalled.count - 1
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if len(tokens(middle)) <= room else (low, middle - 1)
        return tokens(low), low, recalled.count - low

    def count(self, texts: Sequence[str]) -> int:
        """Tokens of the backbone in some texts, without any template."""
        if not texts:
            return 0
        return sum(
            map(len, self.backbone.tokenizer(list(texts), add_special_tokens=False).input_ids)
        )

    def token_starts(self, text: str) -> list[int]:
        """Where in a text each token of the backbone starts."""
        encoded = self.backbone.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True
        )
        return [start for start, _ in encoded["offset_mapping"]]

    def state_dict(self) -> dict[str, object]:
        """The text of the histories."""
        return {"stores": [asdict(store) for store in self.stores]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.load_text(state)
        self.index([store.messages for store in self.stores])

    def load_text(self, state: Mapping[str, Any]) -> None:
        """Take the text of a state dict, and nothing else."""
        self.reset(len(state["stores"]))
        for store, kept in zip(self.stores, state["stores"], strict=True):
            store.system, store.messages = list(kept["system"]), list(kept["messages"])
            store.join = kept["join"]
        self._tokens = [self._count_rendered(s.shown, s.join) for s in self.stores]


def text_bytes(messages: Messages) -> int:
    """Bytes of the contents in UTF-8."""
    return sum(len(message["content"].encode()) for message in messages)


def check_part(context: str) -> None:
    """A textual method decides itself what stays in view.

    Raises:
        InvalidInput: another context was asked for.
    """
    if context not in CONTEXTS:
        raise InvalidInput(
            f"context is '{context}', but a textual memory chooses by itself which part "
            "of the history is in view; leave context at auto"
        )


def query_of(prompt: PromptLike) -> str:
    """Text by which a prompt is looked up: what it asks, without directions for the answer.

    As words of a query directions would match text that has nothing to do with the question.
    """
    return prompt.question if prompt.asked is None else prompt.asked
