"""Episodes to tensors: what is written, and the prompts with their targets.

A history that several episodes share is there once, and one that is empty not at all.

Letters: H histories, W written tokens, A asks of all episodes together, T read tokens.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from deltamem.backbone import Backbone, left_pad
from deltamem.backbone.rendering.answers import prompt_and_answer
from deltamem.training.episodes import Ask, Episode
from deltamem_base.faults import InvalidInput

__all__ = [
    "IGNORED",
    "Batch",
    "EncodedEpisode",
    "TokenBatch",
    "check_read_length",
    "collate",
    "encode",
    "encode_ask",
]

IGNORED = -100
"""Label of a position that is not learnt."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Batch:
    """Tensors of a few episodes, padding on the left."""

    write_ids: Tensor
    """(H, W)."""
    write_mask: Tensor
    """(H, W) bool."""
    segments: Tensor | None
    """(H, W) segment ids for writers that need them."""
    shared: Tensor
    """(H) long: how many episodes have this history."""
    read_ids: Tensor
    """(A, T)."""
    read_mask: Tensor
    """(A, T) bool."""
    labels: Tensor
    """(A, T): the token itself on answers, else ``IGNORED``."""
    history: Tensor
    """(A) long: which history an ask is about; H for one that has none."""
    episodes: int

    @property
    def targets(self) -> int:
        """Number of answer tokens."""
        return int((self.labels != IGNORED).sum())

    @property
    def tokens(self) -> int:
        """Real tokens that are computed, written and read."""
        return int(self.write_mask.sum() + self.read_mask.sum())

    def with_a_write_pass(self) -> Batch:
        """The same batch; where it would write nothing, with a token that nobody asks about.

        Shards of a backbone meet in every pass, so that all processes need equally many.
        """
        if len(self.write_ids):
            return self
        return replace(
            self,
            write_ids=self.read_ids.new_zeros(1, 1),
            write_mask=self.read_mask.new_ones(1, 1),
            segments=None if self.segments is None else self.segments.new_zeros(1, 1),
            shared=self.shared.new_zeros(1),
            history=self.history + 1,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class TokenBatch:
    """Sequences as tensors, padding on the left."""

    ids: Tensor
    """(A, T)."""
    mask: Tensor
    """(A, T) bool."""
    labels: Tensor
    """(A, T): the token itself where it is learnt, else ``IGNORED``."""

    @property
    def targets(self) -> int:
        """Learnt tokens."""
        return int((self.labels != IGNORED).sum())

    @property
    def tokens(self) -> int:
        """Real tokens."""
        return int(self.mask.sum())


@dataclass(frozen=True, eq=False, kw_only=True)
class EncodedEpisode:
    """An episode as tokens."""

    id: str
    write_ids: Sequence[int]
    """Tokens that are written; the tail of those that were too many."""
    segments: Sequence[int] | None
    """Segment id of each written token, for writers that need them."""
    asks: Sequence[tuple[Sequence[int], Sequence[int]]]
    """Prompt and answer of each."""

    @property
    def history(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Key of the written tokens: equal for episodes that leave the same state."""
        return tuple(self.write_ids), tuple(self.segments or ())


def encode(
    backbone: Backbone, episode: Episode, *, segment_unit: str | None, write_length: int
) -> EncodedEpisode:
    """Tokenise one episode; of a written part that is too long the tail is kept.

    Args:
        backbone: whose tokenizer and template.
        episode: as text.
        segment_unit: ``message``, ``sentence`` or None, as the writer needs.
        write_length: written tokens at most.

    Raises:
        InvalidInput: the chat template refuses or rewrites its messages; names the episode.
    """
    try:
        rendered = backbone.render_history(episode.written, join=episode.join)
        asks = [encode_ask(backbone, ask) for ask in episode.asks]
    except InvalidInput as fault:
        raise InvalidInput(f"episode {episode.id}: {fault}") from fault
    segments = None if segment_unit is None else rendered.segments(segment_unit)[-write_length:]
    return EncodedEpisode(
        id=episode.id,
        write_ids=rendered.ids[-write_length:],
        segments=segments,
        asks=asks,
    )


def check_read_length(lengths: Iterable[tuple[str, int]], read_length: int) -> None:
    """Refuse asks that are too long to read, all of them in one sentence.

    Args:
        lengths: id of the episode, and tokens of prompt and answer together.
        read_length: how many there may be.

    Raises:
        InvalidInput: there are more.
    """
    long = [(name, length) for name, length in lengths if length > read_length]
    if not long:
        return
    more = f" (and {len(long) - 1} more, up to {max(n for _, n in long)})" if len(long) > 1 else ""
    raise InvalidInput(
        f"episode {long[0][0]}: question and answer have {long[0][1]} tokens and "
        f"training.read_length is {read_length}{more}"
    )


def collate(
    backbone: Backbone,
    episodes: Sequence[Episode | EncodedEpisode],
    *,
    segment_unit: str | None,
    write_length: int,
    read_length: int,
) -> Batch:
    """Tensors of episodes, tokenised where they are text still; see :func:`encode`.

    Args:
        backbone: whose tokenizer and template.
        episodes: of one micro-batch.
        segment_unit: ``message``, ``sentence`` or None, as the writer needs.
        write_length: written tokens at most.
        read_length: tokens of prompt and answer at most.

    Raises:
        InvalidInput: a prompt with its answer is longer than ``read_length``.
    """
    encoded = [
        encode(backbone, e, segment_unit=segment_unit, write_length=write_length)
        if isinstance(e, Episode)
        else e
        for e in episodes
    ]
    lengths = ((e.id, len(prompt) + len(answer)) for e in encoded for prompt, answer in e.asks)
    check_read_length(lengths, read_length)
    return _padded(backbone, encoded, segmented=segment_unit is not None)


def _padded(backbone: Backbone, encoded: Sequence[EncodedEpisode], *, segmented: bool) -> Batch:
    """Tensors in which each history stands once."""
    device = backbone.device
    shared = Counter(e.history for e in encoded if e.write_ids)
    write_ids, write_mask = left_pad(
        [ids for ids, _ in shared], fill=backbone.pad_id, device=device
    )
    segments = None
    if segmented:
        segments = left_pad([spans for _, spans in shared], fill=-1, device=device)[0]
    row = {history: number for number, history in enumerate(shared)}
    asks = [(row.get(e.history, len(row)), *ask) for e in encoded for ask in e.asks]
    reads = [[*prompt, *answer] for _, prompt, answer in asks]
    labels = [[IGNORED] * len(prompt) + list(answer) for _, prompt, answer in asks]
    read_ids, read_mask = left_pad(reads, fill=backbone.pad_id, device=device)
    return Batch(
        write_ids=write_ids,
        write_mask=write_mask,
        segments=segments,
        shared=torch.tensor(list(shared.values()), dtype=torch.long, device=device),
        read_ids=read_ids,
        read_mask=read_mask,
        labels=left_pad(labels, fill=IGNORED, device=device)[0],
        history=torch.tensor([number for number, _, _ in asks], device=device),
        episodes=len(encoded),
    )


def encode_ask(backbone: Backbone, ask: Ask) -> tuple[list[int], list[int]]:
    """Tokens of the prompt and of the answer, the end of the assistant's turn included."""
    return prompt_and_answer(backbone, ask.visible, ask.answer)
