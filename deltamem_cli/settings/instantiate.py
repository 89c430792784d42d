"""Config nodes to objects, after their values were checked against the types of what they build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

from annotated_types import Ge, MinLen

from deltamem_cli.errors import UsageError

__all__ = ["build", "check_types", "settings_with_types"]

Count = Annotated[int, Ge(1)]
Amount = Annotated[int, Ge(0)]
Words = Sequence[str]
OF_NO_CLASS: dict[str, Any] = {
    "seed": Amount,
    "limit": Count | None,
    "adapter": str | None,
    "state": str | None,
    "system": str | None,
    "runs_dir": str,
    "results_dir": str | None,
    "copy_steps": Amount,
    "live_writer": str,
    "live_steps": Count,
    "dialogues": Count,
    "table": Literal[1] | None,
    "table1.dialogues": Count,
    "only": Annotated[Words, MinLen(1)] | str | None,
    "seeds": Annotated[Sequence[Amount], MinLen(1)],
    "train": Words,
    "eval": Words,
    "context.mode": str,
    "control.writes": str,
    "control.state": str,
    "runtime.device": str,
    "runtime.dtype": str,
    "runtime.attention": str,
    "runtime.batch_size": Count | Literal["auto"],
    "steer.heads": Annotated[Words, MinLen(1)],
}
"""Settings that belong to no class, by their whole names."""


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

    from deltamem_base.ranges import fault_of

    try:
        tree = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as fault:
        key = getattr(fault, "full_key", None) or "a setting"
        raise UsageError(f"{key} must be given: add {key}=VALUE") from fault
    for key, value, kind in settings_with_types(tree):
        wrong = fault_of(kind, value)
        if wrong is not None:
            raise UsageError(f"{key} is {value!r}{wrong}")


def settings_with_types(tree: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every setting of a resolved config that has a type, by its whole name."""
    for key, kind in OF_NO_CLASS.items():
        above, _, last = key.rpartition(".")
        held = tree.get(above, {}) if above else tree
        if isinstance(held, Mapping) and last in held:
            yield key, held[last], kind
    for path, node in _targets(tree, ""):
        kinds = _argument_types(node["_target_"])
        for key, value in node.items():
            nested = isinstance(value, Mapping) and "_target_" in value
            if key in kinds and not nested:
                yield f"{path}{key}", value, kinds[key]


def _targets(node: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if not isinstance(node, Mapping):
        return
    if "_target_" in node:
        yield path, node
    for key, value in node.items():
        yield from _targets(value, f"{path}{key}.")


def _argument_types(target: str) -> dict[str, Any]:
    from hydra.utils import get_object

    from deltamem_base.ranges import field_types

    return field_types(get_object(target))
