"""Rows of word pieces as tensors, and the words that a classifier keeps of them.

Letters: R rows, T pieces, W words of all rows together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

__all__ = ["PieceBatch", "Row", "keeps", "padded"]

HALF = 0.5
KEEP = 1
"""The head's output for words that stay."""
NO_WORD = -1


@dataclass(frozen=True, kw_only=True)
class Row:
    """Word pieces of a text, or of a part of one that is too long for a row."""

    ids: list[int]
    """Pieces, the two special ones at the ends included."""
    words: list[int]
    """Number, within the row, of the word of each piece between the special ones."""
    kept: list[bool]
    """Whether the teacher keeps each word of the row."""


@dataclass(frozen=True, eq=False, kw_only=True)
class PieceBatch:
    """Rows of word pieces, padding on the right."""

    ids: Tensor
    """(R, T)."""
    mask: Tensor
    """(R, T) bool."""
    words: Tensor
    """(R, T): the number of each piece's word, -1 for special pieces and padding."""
    kept: Tensor
    """(W) bool: whether the teacher keeps the word."""
    row: Tensor
    """(W): the row that each word stands in."""
    episodes: int

    @property
    def targets(self) -> int:
        """Learnt pieces."""
        return int((self.words >= 0).sum())

    @property
    def tokens(self) -> int:
        """Real pieces."""
        return int(self.mask.sum())


def padded(
    rows: Sequence[Row], *, fill: int, episodes: int, device: torch.device | str
) -> PieceBatch:
    """Tensors of rows, their words numbered through.

    Args:
        rows: at least one.
        fill: the piece that stands where a row has ended.
        episodes: number of episodes that the rows are from.
        device: where the tensors are wanted.
    """
    counts = [len(row.kept) for row in rows]
    starts = [sum(counts[:i]) for i in range(len(counts))]
    numbers = [
        [NO_WORD, *(start + word for word in row.words), NO_WORD]
        for start, row in zip(starts, rows, strict=True)
    ]
    return PieceBatch(
        ids=_right_padded([r.ids for r in rows], fill).to(device),
        mask=_right_padded([[1] * len(r.ids) for r in rows], 0).bool().to(device),
        words=_right_padded(numbers, NO_WORD).to(device),
        kept=torch.tensor([kept for row in rows for kept in row.kept], device=device),
        row=torch.repeat_interleave(torch.tensor(counts)).to(device),
        episodes=episodes,
    )


def keeps(logits: Tensor, batch: PieceBatch) -> Tensor:
    """(W) bool: whether the mean over a word's pieces, as the package takes it, is above a half."""
    learnt = batch.words >= 0
    words = batch.words[learnt]
    total = torch.zeros(len(batch.kept), device=logits.device)
    total = total.index_add(0, words, logits.softmax(-1)[..., KEEP][learnt])
    return total > HALF * torch.bincount(words, minlength=len(batch.kept))


def _right_padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    made = [torch.tensor(row, dtype=torch.long) for row in rows]
    return pad_sequence(made, batch_first=True, padding_value=fill)
