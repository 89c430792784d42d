"""A training as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltamem_cli.runs.requests.backbone import BackboneRequest
from deltamem_cli.runs.requests.method import MethodRequest
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.identity import public_words, recorded
from deltamem_cli.settings.instantiate import build
from deltamem_cli.settings.run_key import deciding_settings

if TYPE_CHECKING:
    from deltamem import DeltaMemConfig
    from deltamem.training import TrainingConfig
    from deltamem_cli.training_data import TrainingData
    from deltamem_cli.training_data.training_data import DataSource

__all__ = ["TrainingRequest"]


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """Weights for a frozen backbone: everything that was said of how they are learnt."""

    options: Mapping[str, str]
    """The chosen option of each group."""
    backbone: BackboneRequest
    method: MethodRequest
    memory: DeltaMemConfig | None
    """Layout of the adapter; None of another method."""
    adapter: str | None
    """Adapter whose weights are the start, a folder or ``OWNER/NAME@COMMIT``; None: fresh ones."""
    recipe: TrainingConfig
    data: Mapping[str, object]
    """Class of the training data, and its arguments."""
    generated: bool
    """Whether the data is made from the seed, as much as the steps need."""
    tracker: Mapping[str, object]
    """Class that tells trackers, and its arguments."""
    batch_size: int | str
    seed: int
    runs: Path
    recorded: Mapping[str, object]
    """The settings that decide the weights, for trackers and cards."""
    deciding: Mapping[str, object]
    """The same by their whole names, for the run's key."""
    command: str
    """The command as typed, without places and folders of this machine."""

    @classmethod
    def of(cls, composed: Composed) -> TrainingRequest:
        """Read ``conf/train.yaml``, once."""
        tree = composed.tree
        method = MethodRequest.of(composed)
        own = _of_this_method(tree, method)
        data = dict(tree["training"]["data"])
        generated = bool(data.pop("endless", False))
        return cls(
            options=composed.options,
            backbone=BackboneRequest.of(composed),
            method=method,
            memory=build(tree["memory"]) if method.needs_adapter else None,
            adapter=tree["adapter"],
            recipe=build({key: v for key, v in tree["training"].items() if key != "data"}),
            data=data,
            generated=generated,
            tracker=tree["tracker"],
            batch_size=tree["runtime"]["batch_size"],
            seed=int(tree["seed"]),
            runs=Path(tree["runs_dir"]),
            command=" ".join(["deltamem train", *public_words(composed.words)]),
            recorded=recorded(own),
            deciding=deciding_settings(tree, "train"),
        )

    def load_data(self) -> TrainingData:
        """The episodes; a generated source is told how many are needed."""
        if not self.generated:
            source: DataSource = build(self.data)
            return source.load()
        size = (self.recipe.steps or 1) * self.recipe.batch_size
        generated: DataSource = build(self.data, size=size, seed=self.seed)
        return generated.load()


def _of_this_method(tree: Mapping[str, Any], method: MethodRequest) -> dict[str, object]:
    """Settings without those of other methods, and of evaluations."""
    own = {key: v for key, v in tree.items() if key not in ("method", "steer", "writer")}
    return own if method.needs_adapter else own | {"memory": tree["method"].get("learner")}
