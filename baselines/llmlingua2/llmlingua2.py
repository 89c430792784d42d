"""LLMLingua-2 (Pan et al., Findings of ACL 2024): a shorter history in view, whatever the question.

    write    every message by itself: words that a small classifier finds unimportant are left out
    answer   [instructions, compressed messages, question], read once and asked many times

Titles, speakers and dates stay as they are; what follows them is compressed. The rate that is asked
for is nominal: the report of a write tells the realised tokens. With ``rate=1`` nothing is
compressed and the prompt is the base arm's. ``force_reserve_digit`` keeps digits: without it lists
of numbered labels lose their numbers.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Interval

from baselines.llmlingua2.compressor import Compressor, load_compressor
from baselines.retrieval.textual import check_part, text_bytes
from deltamem.backbone import (
    Backbone,
    DecodingLike,
    Generation,
    HistoryLike,
    Messages,
    OnAnswer,
    PromptLike,
    VisibleContext,
    system_turn,
    unheard,
)
from deltamem.backbone.inputs import CutLike
from deltamem_base.faults import InvalidInput

__all__ = ["Compressed", "LLMLingua2", "Shortened", "verbatim"]

LOWEST_RATE = 0.01
"""The package counts in whole per cents."""


@dataclass(frozen=True, kw_only=True)
class Shortened:
    """Tokens of one piece of history before and after compressing."""

    written_tokens: int
    """Tokens of the compressed contents of this piece."""
    original_tokens: int
    """Tokens of this piece before it was compressed."""
    read_tokens: int
    """Tokens of these that the compressor read or that stay as they are."""
    realised_rate: float
    """Compressed tokens per token of the contents."""
    kept_whole: int
    """Messages that the compressor could not take and that stay as they were."""


@dataclass(frozen=True, kw_only=True)
class Compressed(Shortened):
    """Cost of one piece, and how much of its history is in view since."""

    shown_tokens: int
    """Tokens of the whole history in view, compressed."""
    cut_side: str | None
    """The part of the compressed history that did not fit the window; None when all did."""
    cut_tokens: int
    """Tokens of the compressed history that went with it."""
    state_bytes: int
    """Bytes of the compressed text of the history so far."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """A compressed piece, as :class:`VisibleContext` takes it."""

    messages: Messages
    join: str | None
    cut: CutLike
    reserve: int

    @property
    def written(self) -> Messages:
        return self.messages


class LLMLingua2:
    """A history in view, compressed message by message; see the module."""

    def __init__(
        self,
        backbone: Backbone,
        *,
        context: str = "part",
        compressor: str = "microsoft/llmlingua-2-xlm-roberta-large-meetingbank",
        revision: str | None = None,
        rate: Annotated[float, Interval(ge=LOWEST_RATE, le=1)] = 0.5,
        force_tokens: Sequence[str] = ("\n", ".", "?", "!"),
        force_reserve_digit: bool = False,
        drop_consecutive: bool = True,
    ) -> None:
        """A memory over one backbone.

        Args:
            backbone: answers.
            context: ``part`` or ``auto``.
            compressor: hub id or folder of a LLMLingua-2 model.
            revision: commit of the hub repository.
            rate: share of the tokens to keep, from 0.01 to 1.
            force_tokens: kept wherever they stand.
            force_reserve_digit: keep what has a digit.
            drop_consecutive: of forced tokens that come to stand side by side, keep one.

        Raises:
            InvalidInput: a rate out of range, another context, or a model of another kind.
            Unavailable: the package or the model is not here.
        """
        check_part(context)
        if not LOWEST_RATE <= rate <= 1:
            raise InvalidInput(f"rate is {rate}; use {LOWEST_RATE} to 1 (1 compresses nothing)")
        self.backbone, self._rate = backbone, rate
        self._settings = {
            "force_tokens": list(force_tokens),
            "force_reserve_digit": force_reserve_digit,
            "drop_consecutive": drop_consecutive,
        }
        self._compressor: Compressor | None = None
        if rate < 1:
            self._compressor = load_compressor(
                compressor,
                revision=revision,
                counter=backbone.tokenizer,
                device=backbone.device,
                rate=rate,
                force_tokens=force_tokens,
                force_reserve_digit=force_reserve_digit,
                drop_consecutive=drop_consecutive,
            )
        self.reset()

    def describe(self) -> dict[str, Any]:
        """The compressor by its weights, and its settings. Nothing is trained here."""
        return {
            "family": "textual",
            "trained_parameters": 0,
            "state_bytes": None,
            "compressor_sha": None if self._compressor is None else self._compressor.sha,
            "rate": self._rate,
            **self._settings,
            "counter": "tokenizer of the backbone",
        }

    def reset(self, batch: int = 1) -> None:
        """Start ``batch`` empty histories."""
        self._view = VisibleContext(self.backbone, batch=batch)
        self._started = [False] * batch

    def write(self, histories: Sequence[HistoryLike]) -> list[Compressed]:
        """Compress one piece more of each history, and read it into the KV cache."""
        started = time.perf_counter()
        done = [self._take(number, history) for number, history in enumerate(histories)]
        read = self._view.read([piece for piece, _ in done])
        kept = [text_bytes(messages) for messages in self._view.state_dict()["messages"]]
        seconds = (time.perf_counter() - started) / len(histories)
        return [
            Compressed(
                **vars(taken),
                shown_tokens=v.shown_tokens,
                cut_side=v.cut_side,
                cut_tokens=v.cut_tokens,
                state_bytes=size,
                seconds=seconds,
            )
            for (_, taken), v, size in zip(done, read, kept, strict=True)
        ]

    def answer(
        self,
        prompts: Sequence[PromptLike],
        decoding: DecodingLike,
        *,
        side_by_side: int | None = None,
        on_answer: OnAnswer = unheard,
    ) -> list[Generation]:
        """Answer each prompt after a copy of its history's KV cache."""
        return self._view.ask(prompts, decoding, side_by_side=side_by_side, on_answer=on_answer)

    def state_dict(self) -> dict[str, Any]:
        """The compressed messages."""
        return {**self._view.state_dict(), "started": list(self._started)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.reset(len(state["messages"]))
        self._started = list(state["started"])
        self._view.load_state_dict(state)

    def _take(self, number: int, history: HistoryLike) -> tuple[_Piece, Shortened]:
        """A piece of one history, compressed but for its instructions."""
        texts = list(history.written)
        instructions: Messages = []
        if not self._started[number]:
            instructions = system_turn(history.messages)
            texts = texts[len(system_turn(texts)) :]
            self._started[number] = bool(instructions or texts)
        compressed, kept_whole = self._compress(texts)
        before, after = self._count(texts), self._count(compressed)
        original, read = (
            len(self.backbone.render_history(some, join=history.join).ids)
            for some in (history.messages, [*instructions, *texts])
        )
        piece = _Piece(
            messages=[*instructions, *compressed],
            join=history.join,
            cut=history.cut,
            reserve=history.reserve,
        )
        return piece, Shortened(
            written_tokens=after,
            original_tokens=original,
            read_tokens=read,
            realised_rate=after / before if before else 1.0,
            kept_whole=kept_whole,
        )

    def _compress(self, messages: Messages) -> tuple[Messages, int]:
        """Messages with less text, and how many stay whole; one that loses all its text goes."""
        if self._compressor is None:
            return messages, 0
        heads = [verbatim(message) for message in messages]
        tails = [m["content"][len(head) :] for m, head in zip(messages, heads, strict=True)]
        results = self._compressor(tails)
        contents = [
            head + (tail if result is None else _filled(tail, result))
            for head, tail, result in zip(heads, tails, results, strict=True)
        ]
        shorter = [
            {**message, "content": content}
            for message, content in zip(messages, contents, strict=True)
            if content.strip()
        ]
        return shorter, results.count(None)

    def _count(self, messages: Messages) -> int:
        texts = [message["content"] for message in messages]
        if not texts:
            return 0
        ids = self.backbone.tokenizer(texts, add_special_tokens=False).input_ids
        return sum(map(len, ids))


def verbatim(message: Mapping[str, str]) -> str:
    """The beginning of a message that says whose or what it is: preamble, then title or speaker.

    >>> verbatim({"content": "DATE: 8 May Ada: Hi", "preamble": "DATE: 8 May ", "speaker": "Ada"})
    'DATE: 8 May Ada'
    """
    content, preamble = message["content"], message.get("preamble", "")
    end = len(preamble) if content.startswith(preamble) else 0
    title, speaker = message.get("title"), message.get("speaker")
    if title:
        found = content[end:].partition("\n")[0].find(title)
        return content[: end + found + len(title)] if found >= 0 else content[:end]
    if speaker and content.startswith(speaker, end):
        return content[: end + len(speaker)]
    return content[:end]


def _filled(text: str, compressed: str) -> str:
    """Compressed text between the white space that stood around the text."""
    if not compressed.strip():
        return ""
    bare = text.strip()
    before, _, after = text.partition(bare)
    return before + compressed.strip() + after
