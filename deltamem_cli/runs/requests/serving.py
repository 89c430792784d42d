"""A server as it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deltamem_cli.runs.requests.backbone import BackboneRequest
from deltamem_cli.runs.requests.weights import WeightsRequest
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.instantiate import build

if TYPE_CHECKING:
    from deltamem_cli.serving.bounds import RequestLimits, SessionBounds
    from deltamem_evaluations.sample import Decoding

__all__ = ["ServingRequest"]


@dataclass(frozen=True, kw_only=True)
class ServingRequest:
    """A backbone with a memory that others talk with."""

    backbone: BackboneRequest
    weights: WeightsRequest
    decoding: Decoding
    """Decoding where a request leaves it open; the next three stand in likewise."""
    context: str
    """``visible`` or ``none``: whether what was said stays in the prompt."""
    system: str | None
    """Instructions where a conversation brings none."""
    seed: int
    host: str
    port: int
    """0 takes any that is free."""
    sessions: SessionBounds
    limits: RequestLimits

    @classmethod
    def of(cls, composed: Composed) -> ServingRequest:
        """Read ``conf/serve.yaml``, once."""
        tree = composed.tree
        backbone = BackboneRequest.of(composed)
        return cls(
            backbone=backbone,
            weights=WeightsRequest.of(composed, backbone=backbone),
            decoding=build(tree["decoding"]),
            context=str(tree["context"]["mode"]),
            system=tree["system"],
            seed=int(tree["seed"]),
            host=str(tree["host"]),
            port=int(tree["port"]),
            sessions=build(tree["sessions"]),
            limits=build(tree["limits"]),
        )
