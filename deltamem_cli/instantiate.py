"""Config nodes to objects, after their values were checked against the types of what they build."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, get_type_hints

from deltamem_cli.errors import UsageError

__all__ = ["build", "check_types"]

ROOT_TYPES: dict[str, Any] = {
    "seed": int,
    "limit": int | None,
    "adapter": str | None,
    "state": str | None,
    "system": str | None,
    "runs_dir": str,
    "results_dir": str | None,
    "copy_steps": int,
    "live_writer": str,
    "live_steps": int,
    "dialogues": int,
    "table": int | None,
}
"""Settings that belong to no class."""


def build(node: Any, **live: Any) -> Any:
    """Make the object of a node; ``live`` objects are passed on as they are.

    Args:
        node: a mapping with ``_target_``, or nested ones.
        live: arguments that no yaml can hold, such as the backbone.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    try:
        # through _partial_, or Hydra would turn a dataclass among the live objects into a config
        if live:
            return instantiate(node, _partial_=True, _convert_="all")(**live)
        return instantiate(node, _convert_="all")
    except InstantiationException as wrapped:
        raise wrapped.__cause__ or wrapped from None


def check_types(config: Any) -> None:
    """Refuse values that the classes named in the config do not take, before anything is built.

    Raises:
        UsageError: the key, its value and what would do.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        tree = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as fault:
        key = getattr(fault, "full_key", None) or "a setting"
        raise UsageError(f"{key} must be given: add {key}=VALUE") from fault
    assert isinstance(tree, dict)
    for key, kind in ROOT_TYPES.items():
        if key in tree:
            _check(key, tree[key], kind)
    for path, node in _targets(tree, ""):
        kinds = _argument_types(node["_target_"])
        for key, value in node.items():
            nested = isinstance(value, Mapping) and "_target_" in value
            if key in kinds and not nested:
                _check(f"{path}{key}", value, kinds[key])


def _targets(node: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(node, Mapping):
        return
    if "_target_" in node:
        yield path, node
    for key, value in node.items():
        yield from _targets(value, f"{path}{key}.")


def _argument_types(target: str) -> dict[str, Any]:
    from hydra.utils import get_object

    made = get_object(target)
    function = made.__init__ if inspect.isclass(made) else made
    return get_type_hints(function)


def _check(key: str, value: Any, kind: Any) -> None:
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    if "deltamem." in repr(kind) or "evaluations." in repr(kind):
        return
    try:
        adapter = TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True))
        adapter.validate_python(value)
    except ValidationError as fault:
        problem = fault.errors()[0]["msg"]
        raise UsageError(f"{key} is {value!r}: {problem[0].lower()}{problem[1:]}") from fault
