"""The demonstration as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deltamem_cli.settings.composed import Composed

__all__ = ["DemoRequest", "DemoTable"]


@dataclass(frozen=True, kw_only=True)
class DemoTable:
    """Settings of the table of all methods."""

    dialogues: int
    """Dialogues per kind of question and number of facts."""
    train: Sequence[str]
    """Words of every ``deltamem train``."""
    train_settings: Mapping[str, Sequence[str]]
    """Further words of ``deltamem train`` by method."""
    settings: Mapping[str, Sequence[str]]
    """Words of ``deltamem eval`` by method."""


@dataclass(frozen=True, kw_only=True)
class DemoRequest:
    """Everything that ``deltamem demo`` trains and shows."""

    runs: Path
    live_writer: str
    """Writer of the adapter that is trained before your eyes."""
    live_steps: int
    dialogues: int
    """Dialogues per kind of question and number of facts."""
    seed: int
    table: int | None
    """1 is the table of all methods; None is the three writers and their controls."""
    table1: DemoTable

    @classmethod
    def of(cls, composed: Composed) -> DemoRequest:
        """Read ``conf/demo.yaml``, once."""
        tree = composed.tree
        return cls(
            runs=Path(tree["runs_dir"]),
            live_writer=tree["live_writer"],
            live_steps=tree["live_steps"],
            dialogues=tree["dialogues"],
            seed=tree["seed"],
            table=tree["table"],
            table1=DemoTable(**tree["table1"]),
        )
