"""The loss: cross-entropy of the answer given the question and the state (paper, equation 17)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from deltamem.attachment.attach import Attachment
from deltamem.training.collate import IGNORED, Batch

__all__ = ["Objective", "answer_loss", "answer_objective", "learnt_positions"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Objective:
    """Sums over a batch, so that micro-batches and processes add up to the same step."""

    cross_entropy: Tensor
    """Scalar: summed over answer tokens."""
    sparsity: Tensor
    """Scalar: summed over histories, the mean over layers of (mean beta - target)^2."""
    histories: int
    targets: int
    """Answer tokens."""
    exact: int
    """Asks whose every answer token is the most likely one."""
    asks: int

    @property
    def sums(self) -> tuple[float, float, float, float, float]:
        """Cross-entropy, sparsity, targets, exact and asks as numbers."""
        losses = float(self.cross_entropy.detach()), float(self.sparsity.detach())
        return *losses, float(self.targets), float(self.exact), float(self.asks)


def answer_loss(attached: Attachment, batch: Batch, *, gate_target: float) -> Objective:
    """One write pass over the histories, one read pass over the asks with writes off.

    Nothing of a history but its state reaches the read pass. What nothing was written for is asked
    with a zero state, and has no write gates: its part of the sparsity term is zero.

    Args:
        attached: the memory on the backbone.
        batch: H histories, A asks.
        gate_target: where the sparsity term wants the mean write gate.
    """
    rows, gates = len(batch.write_ids), []
    state = attached.memory.zeros(rows + 1)
    if rows:
        _, written = attached.forward(
            batch.write_ids,
            batch.write_mask.long(),
            segments=batch.segments,
            logits=False,
            use_cache=False,
        )
        state = state.put(range(rows), written)
        assert attached.last is not None
        gates = list(attached.last.gates.values())
    output, _ = attached.forward(
        batch.read_ids,
        batch.read_mask.long(),
        state=state.select(batch.history),
        write=False,
        use_cache=False,
        logits_to_keep=learnt_positions(batch.labels),
    )
    device = output.logits.device
    shared = batch.shared.to(device)
    squares = [(shared * (gate.to(device) - gate_target) ** 2).sum() for gate in gates]
    sparsity = sum(squares, output.logits.new_zeros((), dtype=torch.float32)) / max(len(squares), 1)
    return answer_objective(
        output.logits, batch.labels, histories=batch.episodes, sparsity=sparsity
    )


def answer_objective(
    logits: Tensor, labels: Tensor, *, histories: int, sparsity: Tensor | None = None
) -> Objective:
    """Summed cross-entropy of the labels.

    Args:
        logits: (A, L, V) of the last L positions.
        labels: (A, T) with T at least L; ``IGNORED`` is not learnt.
        histories: how many episodes there are.
        sparsity: the term of the write gates; None is zero.
    """
    wanted = labels[:, -logits.shape[1] :][:, 1:].to(logits.device)
    logits = logits[:, :-1].float()
    loss = cross_entropy(
        logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    right = (logits.argmax(-1) == wanted) | (wanted == IGNORED)
    return Objective(
        cross_entropy=loss,
        sparsity=loss.new_zeros(()) if sparsity is None else sparsity,
        histories=histories,
        targets=int((wanted != IGNORED).sum()),
        exact=int(right.all(dim=1).sum()),
        asks=len(labels),
    )


def learnt_positions(labels: Tensor) -> Tensor:
    """Indices of the last positions of ``labels`` (A, T) whose logits the loss needs.

    A large vocabulary is a large part of a small backbone, and a question is not learnt. Indices
    and no count: by a count transformers cuts a view, whose rows torch then multiplies by the head
    one at a time, each with a copy of the head where numbers have 16 bits.

    Returns:
        (L,) integers on the CPU, ascending and without a gap; the last is T - 1.
    """
    learnt = (labels != IGNORED).any(0).nonzero()
    first = int(learnt[0]) - 1 if len(learnt) else labels.shape[1] - 1
    return torch.arange(max(first, 0), labels.shape[1])
