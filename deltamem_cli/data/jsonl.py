"""Episodes from a file of the user's own, one per line (README, "Training data")."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deltamem.training import read_episodes
from deltamem_cli.data.training_data import TrainingData, split_off
from evaluations.datafile import sha256_of

__all__ = ["JsonlData"]


@dataclass(frozen=True, kw_only=True)
class JsonlData:
    """Chat episodes; the last ``held_out`` lines are only evaluated on."""

    path: str
    held_out: int

    def load(self) -> TrainingData:
        """Read the file.

        Raises:
            Unavailable: there is no such file.
            InvalidInput: a bad line, or too few of them.
        """
        path = Path(self.path).expanduser()
        episodes = read_episodes(path)
        split = split_off(episodes, self.held_out, name=self.path)
        return TrainingData(
            episodes=episodes[:split],
            held_out=episodes[split:],
            source={"data": path.name, "sha256": sha256_of(path), "episodes": split},
        )
