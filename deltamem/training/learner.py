"""The base of everything that the loop trains: δ-mem, a baseline, a backbone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from torch import Tensor, nn

from deltamem.training.episodes import Episodes
from deltamem.training.monitor import Monitor
from deltamem.training.objective import Objective

__all__ = ["Counted", "Learner"]


class Counted(Protocol):
    """Tensors of some items."""

    @property
    def targets(self) -> int:
        """Number of tokens that are learnt."""

    @property
    def tokens(self) -> int:
        """Number of real tokens that are computed."""


Item = TypeVar("Item")
Batch = TypeVar("Batch", bound=Counted)


class Learner(ABC, Generic[Item, Batch]):
    """Something that is trained from items of one kind.

    Six methods have to be there. The others have defaults, for a learner that needs nothing before
    the first step, keeps no tokens, has no memory to look into and no place in a sharded backbone.
    """

    can_recompute: ClassVar[bool] = False
    """Whether a pass through the backbone can be made again, as activation checkpointing does:
    whatever the learner puts on the backbone must stay there while :meth:`attached` is entered."""

    @abstractmethod
    def parameters(self) -> Iterable[nn.Parameter]:
        """The weights that the optimiser changes, in a fixed order."""

    @abstractmethod
    def batch(self, episodes: Sequence[Item]) -> Batch:
        """Tensors of one micro-batch."""

    @abstractmethod
    def loss(self, batch: Batch) -> Objective:
        """The objective of one micro-batch, with its graph."""

    @abstractmethod
    def state_dict(self) -> Mapping[str, Tensor]:
        """Weights, for a checkpoint."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Tensor]) -> object:
        """Take up the weights of a checkpoint."""

    @abstractmethod
    def save(self, folder: Path, *, card: Mapping[str, object]) -> Path:
        """Write the finished product in its own format, with a card of these facts.

        Raises:
            CannotWrite: the folder cannot be written.
        """

    def prepare(self, episodes: Episodes[Item]) -> None:
        """See the training data before the first step; again the same in a run that goes on."""

    def tokenised(
        self,
        episodes: Sequence[Item],
        folder: Path,
        *,
        on_note: Callable[[str], None] = lambda note: None,
        on_episode: Callable[[int, int], None] = lambda done, total: None,
    ) -> Sequence[Any] | Episodes[Any]:
        """Episodes as :meth:`batch` takes them fastest; by default as they are.

        Args:
            episodes: as text.
            folder: where tokens may be kept from run to run.
            on_note: told of kept tokens that are damaged, or that cannot be written.
            on_episode: told how many of how many are done.
        """
        return episodes

    def measured(self, held_out: Sequence[Item]) -> Mapping[str, object]:
        """Facts for the card, found on items that were never trained on; by default none.

        Args:
            held_out: the items; none where no data was held out.
        """
        return {}

    def attached(self) -> AbstractContextManager[None]:
        """While the block runs, the learner is on its backbone, for backward passes as well."""
        return nullcontext()

    def micro_batches(self, episodes: Sequence[Item], size: int) -> Sequence[Sequence[Item]]:
        """Cut the episodes of a step into micro-batches of ``size``; by default in their order."""
        return [episodes[i : i + size] for i in range(0, len(episodes), size)]

    def take_even_passes(self) -> bool:
        """Have every batch take as many passes as any other, which shards of a backbone need.

        Returns:
            Whether the learner can; by default it cannot.
        """
        return False

    def monitor(self, *, every: int) -> Monitor | None:
        """A monitor of the memory in every so many steps; None where there is no memory."""
        return None
