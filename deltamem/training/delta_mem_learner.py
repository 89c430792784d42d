"""δ-mem as something that is trained: its parameters, its loss, its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from deltamem.adapter.delta_memory import DeltaMemory
from deltamem.adapter.files import save_adapter
from deltamem.attachment.attach import Attachment
from deltamem.backbone import Backbone
from deltamem.training.collate import Batch, EncodedEpisode, collate, encode
from deltamem.training.episodes import Episode, Episodes
from deltamem.training.histories import micro_batches
from deltamem.training.learner import Learner
from deltamem.training.monitor import MemoryMonitor
from deltamem.training.objective import Objective, answer_loss
from deltamem.training.token_store import tokenise

__all__ = ["DeltaMemLearner"]

Item = Episode | EncodedEpisode


class DeltaMemLearner(Learner[Item, Batch]):
    """An adapter on its backbone."""

    can_recompute: ClassVar[bool] = True

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
        self._even_passes = False
        self._attachment: Attachment | None = None

    @contextmanager
    def attached(self) -> Iterator[None]:
        """While the block runs, the memory is on the backbone.

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
    def tokens_depend_on(self) -> dict[str, object]:
        """Everything but its text that decides the tokens of an episode."""
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

    def tokenised(
        self,
        episodes: Sequence[Any],
        folder: Path,
        *,
        on_note: Callable[[str], None] = lambda note: None,
        on_episode: Callable[[int, int], None] = lambda done, total: None,
    ) -> Sequence[Any] | Episodes[Any]:
        """Episodes as tokens that are kept; see :func:`deltamem.training.token_store.tokenise`."""
        return tokenise(
            episodes,
            folder,
            encode=self.encode,
            depends_on=self.tokens_depend_on,
            read_length=self.read_length,
            on_note=on_note,
            on_episode=on_episode,
        )

    def micro_batches(self, episodes: Sequence[Item], size: int) -> list[list[Item]]:
        """A step's episodes by history; see :func:`deltamem.training.histories.micro_batches`."""
        return micro_batches(episodes, size)

    def batch(self, episodes: Sequence[Item]) -> Batch:
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
        batch = batch.with_a_write_pass() if self._even_passes else batch
        return answer_loss(self._attachment, batch, gate_target=self.gate_target)

    def take_even_passes(self) -> bool:
        """Have every batch from now on take a write pass and a read pass."""
        self._even_passes = True
        return True

    def monitor(self, *, every: int) -> MemoryMonitor:
        """A monitor of gates, states and reads."""
        return MemoryMonitor(self.memory, self.backbone.model, every=every)

    def state_dict(self) -> Mapping[str, Tensor]:
        """Adapter weights."""
        return self.memory.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Take up the adapter weights of a checkpoint."""
        return self.memory.load_state_dict(state)

    def save(self, folder: Path, *, card: Mapping[str, object]) -> Path:
        """An adapter folder."""
        return save_adapter(self.memory, folder, backbone=self.backbone, card=card)
