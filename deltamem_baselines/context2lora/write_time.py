"""Training at write time: a few steps on the rows of one history, in memory, with no files.

Settings are those of Back et al., 2026 (arXiv 2603.01097) for one adapter per document. The loss is
that of the next token, on all tokens of a row, its end of turn included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Interval
from torch import Tensor
from torch.nn.functional import cross_entropy

from deltamem.backbone import Backbone, left_pad
from deltamem.training.collate import IGNORED
from deltamem.training.recipe import TrainingConfig, learning_rate
from deltamem_baselines.trained.lora import Lora

__all__ = ["WriteTimeTraining"]

TOKENS_AT_ONCE = 8192
"""Most tokens of one forward; a batch that has more is accumulated."""


@dataclass(frozen=True, kw_only=True)
class WriteTimeTraining:
    """AdamW with warm-up and cosine on batches drawn from the rows."""

    steps: Annotated[int, Ge(1)] = 150
    batch_size: Annotated[int, Ge(1)] = 32
    learning_rate: Annotated[float, Gt(0)] = 5e-4
    warmup: Annotated[float, Interval(ge=0, le=1)] = 0.1
    clip: Annotated[float, Gt(0)] = 1.0
    dropout: Annotated[float, Interval(ge=0, lt=1)] = 0.1
    max_length: Annotated[int, Ge(1)] = 2048
    """Tokens of a row; tokens beyond are not learnt."""

    def fit(
        self, lora: Lora, backbone: Backbone, rows: Sequence[Sequence[int]], *, seed: int
    ) -> float:
        """Train ``lora`` in place; return the mean loss per token of the last step.

        Batches and dropout are a function of ``seed`` alone.
        """
        schedule = TrainingConfig(learning_rate=self.learning_rate, warmup=self.warmup)
        parameters = list(lora.parameters())
        optimizer = torch.optim.AdamW(parameters, lr=self.learning_rate, weight_decay=0.0)
        generator = torch.Generator(backbone.device).manual_seed(seed)
        cut = [list(row[: self.max_length]) for row in rows if len(row) > 1]
        loss = 0.0
        attached = lora.attach(backbone.model, dropout=self.dropout, generator=generator)
        with torch.enable_grad(), attached:
            for step, chosen in zip(range(self.steps), self._batches(cut, seed), strict=False):
                optimizer.zero_grad(set_to_none=True)
                loss = _accumulate(backbone, chosen)
                torch.nn.utils.clip_grad_norm_(parameters, self.clip)
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(schedule, step, self.steps)
                optimizer.step()
        return loss

    def _batches(self, rows: Sequence[list[int]], seed: int) -> Iterator[list[list[int]]]:
        """Permutation after permutation, cut into batches."""
        order = torch.Generator().manual_seed(seed)
        while rows:
            shuffled = [rows[i] for i in torch.randperm(len(rows), generator=order).tolist()]
            for start in range(0, len(shuffled), self.batch_size):
                yield shuffled[start : start + self.batch_size]


def _accumulate(backbone: Backbone, rows: Sequence[Sequence[int]]) -> float:
    """Gradients of the mean loss per token of all ``rows``; the mean itself."""
    total = sum(len(row) - 1 for row in rows)
    loss = 0.0
    for part in _portions(sorted(rows, key=len)):
        ids, mask = left_pad(part, fill=backbone.pad_id, device=backbone.device)
        mean = _summed_loss(backbone, ids, mask) / total
        mean.backward()
        loss += float(mean.detach())
    return loss


def _portions(rows: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    """Rows of rising length in portions of at most ``TOKENS_AT_ONCE``, padding included."""
    portion: list[Sequence[int]] = []
    for row in rows:
        if portion and len(row) * (len(portion) + 1) > TOKENS_AT_ONCE:
            yield portion
            portion = []
        portion.append(row)
    if portion:
        yield portion


def _summed_loss(backbone: Backbone, ids: Tensor, mask: Tensor) -> Tensor:
    """Masked by position: where padding and end of turn share an id, the end is learnt."""
    labels = ids.masked_fill(~mask, IGNORED)
    labels[torch.arange(len(ids)), mask.int().argmax(1)] = IGNORED
    output = backbone.model(input_ids=ids, attention_mask=mask.long(), use_cache=False)
    return cross_entropy(
        output.logits[:, :-1].float().flatten(0, 1),
        labels[:, 1:].flatten(),
        ignore_index=IGNORED,
        reduction="sum",
    )
