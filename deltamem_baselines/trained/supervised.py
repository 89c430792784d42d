"""Episodes as supervised fine-tuning sees them: the history in view, the answer learnt.

The prompt is the one that the bare backbone gets at evaluation. Letters: A asks, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from deltamem.backbone import Backbone, Messages, fit_messages, left_pad, system_turn
from deltamem.training import Ask, Episode
from deltamem.training.collate import IGNORED, TokenBatch, encode_ask
from deltamem_base.faults import InvalidInput

__all__ = ["Row", "SupervisedBatch", "supervise"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One ask with its history in front of it."""

    episode: str
    ask: int
    """Number of the ask in its episode."""
    prompt: list[int]
    answer: list[int]
    """Up to and including the token that ends the assistant's turn."""
    shared: int
    """Leading tokens that the prompt of the episode's first ask has too; 0 for the first."""

    @property
    def ids(self) -> list[int]:
        """Prompt and answer."""
        return self.prompt + self.answer


@dataclass(frozen=True, eq=False, kw_only=True)
class SupervisedBatch(TokenBatch):
    """Rows as tensors; answers are learnt."""

    rows: Sequence[Row]
    episodes: int


@dataclass(frozen=True, kw_only=True)
class _OldestFirst:
    """The cut of a history that is too long for training."""

    side: str = "start"
    max_chars: int | None = None


def supervise(
    backbone: Backbone, episodes: Sequence[Episode], *, read_length: int
) -> SupervisedBatch:
    """Tokenise; of a history that is too long the oldest messages go.

    Args:
        backbone: whose tokenizer and template.
        episodes: with one row for each of their asks.
        read_length: tokens of history, question and answer at most.

    Raises:
        InvalidInput: a question with its answer is longer than ``read_length``.
    """
    rows: list[Row] = []
    for episode in episodes:
        first: list[int] = []
        for number, ask in enumerate(episode.asks):
            prompt, answer = _encode(backbone, episode, ask, read_length)
            shared = _shared(first, prompt)
            rows.append(
                Row(episode=episode.id, ask=number, prompt=prompt, answer=answer, shared=shared)
            )
            first = first or prompt
    ids, mask = left_pad([r.ids for r in rows], fill=backbone.pad_id, device=backbone.device)
    labels = [[IGNORED] * len(r.prompt) + r.answer for r in rows]
    return SupervisedBatch(
        rows=rows,
        ids=ids,
        mask=mask,
        labels=left_pad(labels, fill=IGNORED, device=backbone.device)[0],
        episodes=len(episodes),
    )


def _encode(
    backbone: Backbone, episode: Episode, ask: Ask, read_length: int
) -> tuple[list[int], list[int]]:
    system = system_turn(ask.visible) or system_turn(episode.written)
    question = [m for m in ask.visible if m["role"] != "system"]
    history = [*system, *(m for m in episode.written if m["role"] != "system")]

    def encode(shown: Messages) -> tuple[list[int], list[int]]:
        turns = _turns([*shown, *question], episode.join)
        return encode_ask(backbone, Ask(visible=turns, answer=ask.answer))

    def count(shown: Messages) -> int:
        return sum(map(len, encode(shown)))

    encoded = encode(history)
    if sum(map(len, encoded)) <= read_length:
        return encoded
    least = count(system)
    if least > read_length:
        raise InvalidInput(
            f"episode {episode.id}: question and answer have {least} tokens and "
            f"training.read_length is {read_length}"
        )
    return encode(fit_messages(history, cut=_OldestFirst(), budget=read_length, count=count))


def _shared(first: Sequence[int], prompt: Sequence[int]) -> int:
    """How many leading tokens agree."""
    pairs = zip(first, prompt, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(prompt)))


def _turns(messages: Messages, join: str | None) -> Messages:
    """Messages of one role in a row as one turn, where the episode joins them."""
    if join is None:
        return messages
    return [
        {"role": role, "content": join.join(m["content"] for m in group)}
        for role, group in groupby(messages, key=lambda m: m["role"])
    ]
