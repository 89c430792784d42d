"""Episodes to tensors: what is written, and the prompts with their targets.

Letters: B episodes, W written tokens, A asks of all episodes together, T read tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deltamem.backbone import Backbone, left_pad
from deltamem.errors import InvalidInput
from deltamem.training.episodes import Ask, Episode

__all__ = ["IGNORED", "Batch", "TokenBatch", "collate", "encode_ask"]

IGNORED = -100
"""Label of a position that is not learnt."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Batch:
    """Tensors of a few episodes, padding on the left."""

    write_ids: Tensor
    """(B, W)."""
    write_mask: Tensor
    """(B, W) bool."""
    segments: Tensor | None
    """(B, W) segment ids for writers that need them."""
    read_ids: Tensor
    """(A, T)."""
    read_mask: Tensor
    """(A, T) bool."""
    labels: Tensor
    """(A, T): the token itself on answers, else ``IGNORED``."""
    episode: Tensor
    """(A) long: which episode an ask belongs to."""

    @property
    def targets(self) -> int:
        """Number of answer tokens."""
        return int((self.labels != IGNORED).sum())

    @property
    def tokens(self) -> int:
        """Real tokens, written and read."""
        return int(self.write_mask.sum() + self.read_mask.sum())


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


def collate(
    backbone: Backbone,
    episodes: Sequence[Episode],
    *,
    segment_unit: str | None,
    write_length: int,
    read_length: int,
) -> Batch:
    """Tokenise; of a written part that is too long the tail is kept.

    Args:
        backbone: whose tokenizer and template.
        episodes: B of them.
        segment_unit: ``message``, ``sentence`` or None, as the writer needs.
        write_length: written tokens at most.
        read_length: tokens of prompt and answer at most.

    Raises:
        InvalidInput: a prompt with its answer is longer than ``read_length``.
    """
    device = backbone.device
    written = [backbone.render_history(e.written, join=e.join) for e in episodes]
    write_ids, write_mask = left_pad(
        [r.ids[-write_length:] for r in written], fill=backbone.pad_id, device=device
    )
    segments = None
    if segment_unit is not None:
        rows = [r.segments(segment_unit)[-write_length:] for r in written]
        segments = left_pad(rows, fill=-1, device=device)[0]
    reads, labels, owner = [], [], []
    for number, episode in enumerate(episodes):
        for ask in episode.asks:
            prompt, answer = encode_ask(backbone, ask)
            if len(prompt) + len(answer) > read_length:
                raise InvalidInput(
                    f"episode {episode.id}: question and answer have {len(prompt) + len(answer)} "
                    f"tokens and training.read_length is {read_length}"
                )
            reads.append(prompt + answer)
            labels.append([IGNORED] * len(prompt) + answer)
            owner.append(number)
    read_ids, read_mask = left_pad(reads, fill=backbone.pad_id, device=device)
    return Batch(
        write_ids=write_ids,
        write_mask=write_mask,
        segments=segments,
        read_ids=read_ids,
        read_mask=read_mask,
        labels=left_pad(labels, fill=IGNORED, device=device)[0],
        episode=torch.tensor(owner, device=device),
    )


def encode_ask(backbone: Backbone, ask: Ask) -> tuple[list[int], list[int]]:
    """Tokens of the prompt and of the answer, the end of the assistant's turn included."""
    prompt = backbone.render(ask.visible, add_generation_prompt=True).ids
    whole = backbone.render([*ask.visible, {"role": "assistant", "content": ask.answer}]).ids
    if whole[: len(prompt)] == prompt:
        answer = whole[len(prompt) :]
        ends = [i for i, token in enumerate(answer) if token in backbone.stop_ids]
        if ends:
            return prompt, answer[: ends[0] + 1]
    text = backbone.tokenizer(ask.answer, add_special_tokens=False)["input_ids"]
    return prompt, [*text, backbone.tokenizer.eos_token_id]
