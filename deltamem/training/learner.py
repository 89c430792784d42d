"""δ-mem as something that is trained: its parameters, its loss, its files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.adapter.files import save_adapter
from deltamem.attachment.attach import Attachment
from deltamem.backbone import Backbone
from deltamem.training.collate import Batch, EncodedEpisode, collate, encode
from deltamem.training.episodes import Episode
from deltamem.training.histories import micro_batches
from deltamem.training.monitor import MemoryMonitor
from deltamem.training.objective import Objective, answer_loss

__all__ = ["DeltaMemLearner", "Learner"]


Item = TypeVar("Item", contravariant=True)


class Learner(Protocol[Item]):
    """What the loop trains, from items of one kind: δ-mem, a baseline, a backbone."""

    def parameters(self) -> Iterable[nn.Parameter]:
        """What the optimiser changes, in a fixed order."""

    def batch(self, episodes: Sequence[Item]) -> Any:
        """Tensors of episodes, with ``targets`` and ``tokens`` counted."""

    def loss(self, batch: Any) -> Objective:
        """Forward of one micro-batch."""

    def state_dict(self) -> Mapping[str, Tensor]:
        """Weights, for a checkpoint."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> Any:
        """Weights from a checkpoint."""

    def save(self, folder: Path, *, card: Mapping[str, Any]) -> Path:
        """The finished product, in its own format, with a card."""


class DeltaMemLearner:
    """An adapter on its backbone, behind :class:`Learner`."""

    def __init__(
        self,
        backbone: Backbone,
        memory: DeltaMemory,
        *,
        write_length: int,
        read_length: int,
        gate_target: float,
    ) -> None:
        """Lengths in tokens; ``gate_target``: where the sparsity term wants the write gates."""
        self.backbone, self.memory = backbone, memory.train()
        self.write_length, self.read_length = write_length, read_length
        self.gate_target = gate_target
        self.even_passes = False
        """Whether every batch takes a write pass and a read pass, as a sharded backbone needs."""
        self._attachment: Attachment | None = None

    @contextmanager
    def attached(self) -> Iterator[None]:
        """While the block runs, the memory is on the backbone, for backward passes as well.

        A pass that makes activations again runs the backbone's layers, their memory included.
        """
        with self.memory.attach(self.backbone.model) as self._attachment:
            try:
                yield
            finally:
                self._attachment = None

    def parameters(self) -> Iterable[nn.Parameter]:
        """All weights of the adapter; the backbone is not among them."""
        return self.memory.parameters()

    @property
    def tokens_depend_on(self) -> dict[str, Any]:
        """Everything but the text that decides what :meth:`encode` makes of an episode."""
        return {
            "prompts": self.backbone.prompt_format,
            "segments": self.memory.config.writer.segment_unit,
            "write_length": self.write_length,
        }

    def encode(self, episode: Episode) -> EncodedEpisode:
        """Tokenise one episode as the writer needs it."""
        return encode(
            self.backbone,
            episode,
            segment_unit=self.memory.config.writer.segment_unit,
            write_length=self.write_length,
        )

    def micro_batches(
        self, episodes: Sequence[Episode | EncodedEpisode], size: int
    ) -> list[list[Episode | EncodedEpisode]]:
        """A step's episodes by history; see :func:`deltamem.training.histories.micro_batches`."""
        return micro_batches(episodes, size)

    def batch(self, episodes: Sequence[Episode | EncodedEpisode]) -> Batch:
        """Tensors of episodes, tokenised where they are text still."""
        return collate(
            self.backbone,
            episodes,
            segment_unit=self.memory.config.writer.segment_unit,
            write_length=self.write_length,
            read_length=self.read_length,
        )

    def loss(self, batch: Batch) -> Objective:
        """Write, drop, read; see :func:`deltamem.training.objective.answer_loss`."""
        if self._attachment is None:
            with self.attached():
                return self.loss(batch)
        batch = batch.with_a_write_pass() if self.even_passes else batch
        return answer_loss(self._attachment, batch, gate_target=self.gate_target)

    def monitor(self, *, every: int) -> MemoryMonitor:
        """What looks into the memory every so many steps; learners without a memory have none."""
        return MemoryMonitor(self.memory, self.backbone.model, every=every)

    def state_dict(self) -> Mapping[str, Tensor]:
        """Adapter weights."""
        return self.memory.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> Any:
        """Adapter weights from a checkpoint."""
        return self.memory.load_state_dict(state)

    def save(self, folder: Path, *, card: Mapping[str, Any]) -> Path:
        """An adapter folder."""
        return save_adapter(self.memory, folder, backbone=self.backbone, card=card)
