"""LLMLingua-2 (Pan et al., Findings of ACL 2024): a shorter history in view, whatever the question.

    write    every message by itself: words that a small classifier finds unimportant are left out
    answer   [instructions, compressed messages, question], read once and asked many times

Titles, speakers and dates stay as they are; what follows them is compressed. The rate that is asked
for is nominal: the report of a write tells the realised tokens. With ``rate=1`` nothing is
compressed and the prompt is the base arm's. ``force_reserve_digit`` keeps digits: without it lists
of numbered labels lose their numbers. The classifier is a released one, or one that ``deltamem
train`` made (:mod:`deltamem_baselines.llmlingua2.training`); every table says which.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from annotated_types import Interval

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
from deltamem_base.identities import MethodDescription
from deltamem_baselines.llmlingua2.compressor import (
    Compression,
    Compressor,
    absent_compressor,
    released_compressor,
    trained_compressor,
)
from deltamem_baselines.llmlingua2.reports import Compressed, Shortened
from deltamem_baselines.llmlingua2.saving import TrainedCompressor, load_trained
from deltamem_baselines.llmlingua2.verbatim import tail, verbatim
from deltamem_baselines.retrieval.textual import check_part, text_bytes

__all__ = ["RELEASED", "LLMLingua2"]

RELEASED = "microsoft/llmlingua-2-xlm-roberta-large-meetingbank"
"""The compressor where none is named and none was trained here."""
SAID = {
    "pretrained": "compressor trained here",
    "scratch": "small compressor trained here from scratch",
}
"""Start of a compressor's training -> what tables call it; a released one has another name."""
LOWEST_RATE = 0.01
"""The package counts in whole per cents."""


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
        weights: str | None = None,
        compressor: str | None = None,
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
            weights: a folder that :meth:`CompressorLearner.save` wrote.
            compressor: hub id or folder of a released one; None for :data:`RELEASED` where there
                are no weights.
            revision: commit of the hub repository.
            rate: share of the tokens to keep, from 0.01 to 1.
            force_tokens: kept wherever they stand.
            force_reserve_digit: keep what has a digit.
            drop_consecutive: keep only one of several forced tokens that end up side by side.

        Raises:
            InvalidInput: a rate out of range, another context, a model of another kind, or weights
                that do not belong to this backbone.
            Unavailable: the package or the model is not here.
        """
        check_part(context)
        if not LOWEST_RATE <= rate <= 1:
            raise InvalidInput(f"rate is {rate}; use {LOWEST_RATE} to 1 (1 compresses nothing)")
        self.backbone = backbone
        self._settings = Compression(
            rate=rate,
            force_tokens=list(force_tokens),
            force_reserve_digit=force_reserve_digit,
            drop_consecutive=drop_consecutive,
        )
        self._compressor: Compressor | None = None
        self._trained: TrainedCompressor | None = None
        if rate < 1 and weights is not None:
            self._trained = load_trained(weights, backbone)
            self._compressor = trained_compressor(
                self._trained, backbone=backbone, settings=self._settings
            )
        elif rate < 1:
            self._compressor = released_compressor(
                compressor or RELEASED,
                revision=revision,
                backbone=backbone,
                settings=self._settings,
            )
        self.reset()

    @staticmethod
    def absent(
        *,
        compressor: str | None = None,
        revision: str | None = None,
        rate: float = 0.5,
        **settings: Any,
    ) -> str | None:
        """A sentence where the compressor of these settings is not on this machine, else None."""
        return None if rate == 1 else absent_compressor(compressor or RELEASED, revision=revision)

    def describe(self) -> MethodDescription:
        """The compressor by its weights, its settings, and how it was trained if it was here."""
        trained = self._trained
        return MethodDescription(
            variant=None if trained is None else SAID[trained.learnt.start],
            weights_sha=None if trained is None else trained.sha,
            trained_parameters=0 if trained is None else trained.parameters,
            state_bytes=None,
            settings={
                "compressor_sha": None if self._compressor is None else self._compressor.sha,
                **asdict(self._settings),
                "counter": "tokenizer of the backbone",
                **({} if trained is None else _told(trained)),
            },
        )

    def reset(self, batch: int = 1) -> None:
        """Start ``batch`` empty histories."""
        self._context = VisibleContext(self.backbone, batch=batch)
        self._started = [False] * batch

    def write(self, histories: Sequence[HistoryLike]) -> list[Compressed]:
        """Compress one piece more of each history, and read it into the KV cache."""
        started = time.perf_counter()
        done = [self._take(number, history) for number, history in enumerate(histories)]
        read = self._context.read([piece for piece, _ in done])
        kept = [text_bytes(messages) for messages in self._context.state_dict()["messages"]]
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
        return self._context.ask(prompts, decoding, side_by_side=side_by_side, on_answer=on_answer)

    def state_dict(self) -> dict[str, object]:
        """The compressed messages."""
        return {**self._context.state_dict(), "started": list(self._started)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave."""
        self.reset(len(state["messages"]))
        self._started = list(state["started"])
        self._context.load_state_dict(state)

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
        tails = [tail(message) for message in messages]
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


def _told(trained: TrainedCompressor) -> dict[str, object]:
    """Facts that tell a compressor that was trained here from a released one."""
    return {"pieces_sha": trained.pieces_sha, **asdict(trained.learnt)}


def _filled(text: str, compressed: str) -> str:
    """Compressed text between the white space that stood around the text."""
    if not compressed.strip():
        return ""
    bare = text.strip()
    before, _, after = text.partition(bare)
    return before + compressed.strip() + after
