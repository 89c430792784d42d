"""Episodes from a file of the user's own (docs/train.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from deltamem.training import Episode, episodes_sha, joined_by_history, parse_episode
from deltamem_base.faults import InvalidInput, Unavailable
from deltamem_base.json_text import read_json_rows
from deltamem_cli.training_data.training_data import TrainingData, split_off

__all__ = ["JsonlData", "read_episodes"]


@dataclass(frozen=True, kw_only=True)
class JsonlData:
    """Chat episodes; the last ``held_out`` are only evaluated on."""

    path: str
    together: Annotated[int, Ge(1)]
    """Questions about one history that make one episode at most; 1 keeps lines apart."""
    held_out: Annotated[int, Ge(0)]

    def load(self) -> TrainingData:
        """Read the file.

        Raises:
            Unavailable: there is no such file.
            InvalidData: text that is no JSON.
            InvalidInput: a bad episode, or too few of them.
        """
        path = Path(self.path).expanduser()
        episodes = joined_by_history(read_episodes(path), self.together)
        split = split_off(episodes, self.held_out, name=self.path)
        return TrainingData(
            episodes=episodes[:split],
            held_out=episodes[split:],
            source={
                "data": path.name,
                "sha256": episodes_sha(episodes),
                "episodes": split,
                "questions": sum(len(episode.asks) for episode in episodes[:split]),
            },
        )


def read_episodes(path: Path) -> list[Episode]:
    """Read JSON lines, or a list of the same.

    Raises:
        Unavailable: there is no such file.
        InvalidData: text that is no JSON; names line and character.
        InvalidInput: the first bad episode, with where it stands and what is wrong with it, and how
            many there are.
    """
    if not path.is_file():
        raise Unavailable(f"training.data.path={path}: there is no such file")
    episodes, faults = [], []
    for number, (where, row) in enumerate(read_json_rows(path), 1):
        try:
            episodes.append(parse_episode(row, default_id=f"line-{number}"))
        except (ValueError, TypeError) as fault:
            faults.append(f"{where}: {fault}")
    if faults:
        more = f" (and {len(faults) - 1} more bad episodes)" if len(faults) > 1 else ""
        raise InvalidInput(f"{faults[0]}{more}")
    return episodes
