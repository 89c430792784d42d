"""The size of what a method trains, without the backbone's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltamem_cli.runs.requests import MethodRequest
from deltamem_cli.settings.instantiate import made_by

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deltamem import DeltaMemConfig

__all__ = ["trained_parameters"]


def trained_parameters(
    method: MethodRequest, model: PreTrainedModel, *, memory: DeltaMemConfig | None = None
) -> int:
    """Numbers that a method trains beside a model, be it beforehand or for each history.

    Args:
        method: any.
        model: the backbone, which may be on the meta device.
        memory: layout of the adapter, for δ-mem.
    """
    if memory is not None:
        from deltamem import DeltaMemory

        return DeltaMemory(memory, model).trained_parameters
    node = method.arguments if method.learner is None else method.learner
    count = getattr(made_by(node), "trained_parameters", None)
    if count is None:
        return 0
    settings = {key: value for key, value in node.items() if key != "_target_"}
    return int(count(model, **settings))
