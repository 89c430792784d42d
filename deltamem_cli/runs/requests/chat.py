"""A conversation as it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deltamem_cli.runs.requests.backbone import BackboneRequest
from deltamem_cli.runs.requests.weights import WeightsRequest
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.instantiate import build

if TYPE_CHECKING:
    from deltamem_evaluations.sample import Decoding

__all__ = ["ChatRequest"]


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """A backbone with a memory to talk with."""

    backbone: BackboneRequest
    weights: WeightsRequest
    decoding: Decoding
    context: str
    """``visible`` or ``none``: whether what was said stays in the prompt."""
    system: str | None
    """Instructions that always stay in view."""
    state: str | None
    """File to go on from."""
    seed: int

    @classmethod
    def of(cls, composed: Composed) -> ChatRequest:
        """Read ``conf/chat.yaml``, once."""
        tree = composed.tree
        backbone = BackboneRequest.of(composed)
        return cls(
            backbone=backbone,
            weights=WeightsRequest.of(composed, backbone=backbone),
            decoding=build(tree["decoding"]),
            context=str(tree["context"]["mode"]),
            system=tree["system"],
            state=tree["state"],
            seed=int(tree["seed"]),
        )
