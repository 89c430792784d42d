"""The size of what a method trains, without the backbone's weights."""

from __future__ import annotations

from typing import Any

from deltamem_cli.settings.instantiate import build

__all__ = ["trained_parameters"]


def trained_parameters(config: Any, model: Any) -> int:
    """Numbers that ``config.method`` trains beside a model, which may be on the meta device."""
    from hydra.utils import get_object

    if config.method.needs_adapter:
        from deltamem import DeltaMemory

        return DeltaMemory(build(config.memory), model).trained_parameters
    node = config.method.get("learner", config.method)
    count = getattr(get_object(node["_target_"]), "trained_parameters", None)
    if count is None:
        return 0
    settings = {key: value for key, value in node.items() if key != "_target_"}
    return int(count(model, **settings))
