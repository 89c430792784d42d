"""A backbone from scratch as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.identity import config_hash, public_words, recorded
from deltamem_cli.settings.instantiate import build

if TYPE_CHECKING:
    from deltamem.pretraining import BackboneConfig
    from deltamem.training import TrainingConfig
    from deltamem_cli.tracking import Tracking

__all__ = ["PretrainingRequest"]


@dataclass(frozen=True, kw_only=True)
class PretrainingRequest:
    """The embedded backbone, made anew."""

    sizes: BackboneConfig
    recipe: TrainingConfig
    steps: int
    copy_steps: int
    """Steps on random sequences alone, at the beginning."""
    tracking: Tracking
    seed: int
    runs: Path
    key: str
    """Hash of all that decides the weights."""
    recorded: Mapping[str, object]
    """The settings, for trackers."""
    command: str
    """The command as typed, without places and folders of this machine."""

    @classmethod
    def of(cls, composed: Composed) -> PretrainingRequest:
        """Read ``conf/pretrain.yaml``, once."""
        tree = composed.tree
        return cls(
            sizes=build(tree["backbone"]),
            recipe=build(tree["training"]),
            steps=tree["training"]["steps"],
            copy_steps=tree["copy_steps"],
            tracking=build(tree["tracker"]),
            seed=tree["seed"],
            runs=Path(tree["runs_dir"]),
            key=config_hash(tree),
            recorded=recorded(tree),
            command=" ".join(["deltamem pretrain", *public_words(composed.words)]),
        )
