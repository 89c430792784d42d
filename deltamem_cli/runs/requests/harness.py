"""A model of lm-eval as it was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from deltamem_cli.runs.requests.backbone import BackboneRequest
from deltamem_cli.runs.requests.weights import WeightsRequest
from deltamem_cli.settings.composed import Composed

__all__ = ["HarnessRequest"]


@dataclass(frozen=True, kw_only=True)
class HarnessRequest:
    """A backbone with a memory that lm-eval asks."""

    backbone: BackboneRequest
    weights: WeightsRequest
    write: str
    """``prompt`` or ``history``, see :mod:`deltamem_cli.harness`."""
    question_after: str | None
    """Text behind whose last place a question begins."""

    @classmethod
    def of(cls, composed: Composed) -> HarnessRequest:
        """Read ``conf/lm_eval.yaml``, once."""
        tree = composed.tree
        backbone, mark = BackboneRequest.of(composed), tree["question_after"]
        return cls(
            backbone=backbone,
            weights=WeightsRequest.of(composed, backbone=backbone),
            write=str(tree["write"]),
            question_after=None if mark is None else str(mark).replace("\\n", "\n"),
        )
