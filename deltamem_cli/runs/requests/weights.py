"""Which trained weights a run asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.runs.requests.backbone import BackboneRequest
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.instantiate import build

if TYPE_CHECKING:
    from deltamem.writers import Writer

__all__ = ["WeightsRequest"]


@dataclass(frozen=True, kw_only=True)
class WeightsRequest:
    """Everything that decides which weights a run takes."""

    adapter: str | None
    """A folder or ``OWNER/NAME@COMMIT`` that was named; None looks among the runs."""
    method: str
    """Option of ``method=``; of a conversation, which has none, ``delta_mem``."""
    needs_adapter: bool
    """Whether they are a δ-mem adapter."""
    needs_baseline: bool
    """Whether they are the weights of a trained baseline."""
    writer: Writer
    """Writer that an adapter is looked for by."""
    writer_name: str
    writer_was_named: bool
    """Whether somebody asked for this writer, or it is the default."""
    backbone: BackboneRequest
    runs: Path
    """Folder that trainings leave their weights in."""

    @classmethod
    def of(cls, composed: Composed, *, backbone: BackboneRequest) -> WeightsRequest:
        """The weights of a config; without ``method`` they are an adapter.

        Args:
            composed: the config.
            backbone: the backbone that they were trained on.
        """
        tree, options = composed.tree, composed.options
        method = tree.get("method")
        return cls(
            adapter=tree["adapter"],
            method=options.get("method", "delta_mem"),
            needs_adapter=method is None or bool(method["needs_adapter"]),
            needs_baseline=method is not None and _takes_trained_weights(method),
            writer=build(tree["writer"]),
            writer_name=options["writer"],
            writer_was_named=any(word.startswith("writer") for word in composed.words),
            backbone=backbone,
            runs=Path(tree["runs_dir"]),
        )


def _takes_trained_weights(method: Mapping[str, object]) -> bool:
    """Whether the method of a config is a trained baseline, and nothing released is named for it.

    Args:
        method: the config of the method.
    """
    released = method.get(str(method.get("instead_of_weights")))
    return "learner" in method and released is None
