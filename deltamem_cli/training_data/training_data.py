"""Training data as a source hands it over, with the facts that describe it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from deltamem.training import Episode, Episodes
from deltamem_base.faults import InvalidInput

__all__ = ["DataSource", "TrainingData", "split_off"]


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Episodes to train on, episodes held out, and where both come from."""

    episodes: Episodes[Episode]
    held_out: Sequence[Episode]
    source: Mapping[str, object]
    """Goes into the key of the run and onto the model card."""
    stored: bool = True
    """False: made afresh whenever one is asked for, so that there is nothing to keep tokens of."""

    @property
    def facts(self) -> dict[str, object]:
        """``source`` for a reader: counts by reason as one text."""
        return {
            name: (", ".join(f"{n} {what}" for what, n in value.items()) or "none")
            if isinstance(value, Mapping)
            else value
            for name, value in self.source.items()
        }


class DataSource(Protocol):
    """Anything that a ``data:`` of a training config builds."""

    def load(self) -> TrainingData:
        """The episodes; whatever is wrong with them is said here."""


def split_off(episodes: Sequence[Episode], held_out: int, *, name: str) -> int:
    """Number of ``episodes`` to train on when the last ``held_out`` are only evaluated on.

    Raises:
        InvalidInput: none is left; ``name`` is where they come from.
    """
    if len(episodes) <= held_out:
        raise InvalidInput(
            f"{name} has {len(episodes)} episodes and training.data.held_out={held_out} leaves "
            "none to train on"
        )
    return len(episodes) - held_out
