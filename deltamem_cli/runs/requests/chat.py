"""A conversation as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deltamem_cli.runs.requests.backbone import BackboneRequest
from deltamem_cli.runs.requests.weights import WeightsRequest
from deltamem_cli.settings.identity import tree_of
from deltamem_cli.settings.instantiate import build, check_types

if TYPE_CHECKING:
    from evaluations.sample import Decoding

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
    def of(cls, config: Any, options: Mapping[str, str]) -> ChatRequest:
        """Read a composed ``conf/chat.yaml``, once.

        Args:
            config: composed.
            options: the chosen option of each group.

        Raises:
            UsageError: a value of another type than its setting takes.
        """
        check_types(config)
        tree = tree_of(config)
        backbone = BackboneRequest.of(tree, name=options["model"])
        return cls(
            backbone=backbone,
            weights=WeightsRequest.of(tree, options=options, backbone=backbone),
            decoding=build(tree["decoding"]),
            context=str(tree["context"]["mode"]),
            system=tree["system"],
            state=tree["state"],
            seed=int(tree["seed"]),
        )
