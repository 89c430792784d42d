"""Config nodes to objects, after their values were checked against the types of what they build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from inspect import Parameter, signature
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval, MinLen

from deltamem_cli.errors import UsageError
from deltamem_cli.settings.composed import leaves

__all__ = ["UNSEEN", "build", "check_types", "made_by", "settings_with_types"]

MISSING = "???"
"""The value of a setting that whoever runs it has to give."""
TARGET = "_target_"
"""The key under which a config names the class or function that a node makes."""

Count = Annotated[int, Ge(1)]
Amount = Annotated[int, Ge(0)]
Words = Sequence[str]
Folder = Annotated[str, MinLen(1)]
Seconds = Annotated[float, Gt(0)]
OF_NO_CLASS: dict[str, object] = {
    "seed": Amount,
    "limit": Count | None,
    "likelihood": bool,
    "judge.url": Folder | None,
    "judge.model": Folder | None,
    "judge.tries": Count,
    "judge.wait": Seconds,
    "judge.seconds": Seconds,
    "adapter": str | None,
    "state": str | None,
    "system": str | None,
    "write": Literal["prompt", "history"],
    "question_after": Annotated[str, MinLen(1)] | None,
    "runs_dir": Folder,
    "results_dir": Folder | None,
    "copy_steps": Amount,
    "live_writer": str,
    "live_steps": Count,
    "dialogues": Count | None,
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
    "host": Folder,
    "port": Annotated[int, Interval(ge=0, le=65535)],
    "steer.heads": Annotated[Words, MinLen(1)],
}
"""Settings that belong to no class, by their whole names."""
UNSEEN = {
    "model": ("adapters", "architecture", "memory_layers", "recipe"),
    "method": (
        *("needs_adapter", "natural_context", "family", "state", "learner"),
        "instead_of_weights",
    ),
    "training": ("data",),
    "training.data": ("endless",),
}
"""Keys, by the place of their node, that the command line reads and the class never sees."""


def build(node: Any, **live: Any) -> Any:
    """Make the object of a node; ``live`` objects are passed on as they are.

    Args:
        node: a mapping with ``_target_``, or nested ones.
        live: arguments that no yaml can hold, such as the backbone.

    Raises:
        InvalidInput: a class outside our packages and the registered plug-ins.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    for _, part in _targets(node, ""):
        made_by(part)
    try:
        # through _partial_, or Hydra would turn a dataclass among the live objects into a config
        if live:
            return instantiate(node, _partial_=True, _convert_="all")(**live)
        return instantiate(node, _convert_="all")
    except InstantiationException as wrapped:
        raise wrapped.__cause__ or wrapped from None


def made_by(node: Any) -> Any:
    """The class or function that a node names.

    Raises:
        InvalidInput: it lies outside our packages and the registered plug-ins, or is not there.
    """
    from deltamem_base.plugins import named_object

    return named_object(str(node[TARGET]))


def check_types(tree: Mapping[str, object], *, parts: Sequence[str] | None = None) -> None:
    """Refuse values that the classes named in a config do not take, before anything is built.

    Args:
        tree: all settings.
        parts: top-level settings to look at; None looks at all.

    Raises:
        UsageError: the key, its value and what would do.
        InvalidInput: a class outside our packages and the registered plug-ins.
    """
    from deltamem_base.ranges import fault_of

    looked_at = {key: v for key, v in tree.items() if parts is None or key in parts}
    for key, value in leaves(looked_at):
        if value == MISSING:
            raise UsageError(f"{key} must be given: add {key}=VALUE")
    for path, node in _targets(looked_at, ""):
        _check_places(path.rstrip("."), node)
    for key, value, kind in settings_with_types(looked_at):
        wrong = fault_of(kind, value)
        if wrong is not None:
            raise UsageError(f"{key} is {value!r}{wrong}")


def _check_places(path: str, node: Mapping[str, object]) -> None:
    """Refuse settings that the class of a node has no place for."""
    made = made_by(node)
    taken = signature(made).parameters
    if any(p.kind is Parameter.VAR_KEYWORD for p in taken.values()):
        return
    for key in node:
        if key not in taken and key not in (TARGET, *UNSEEN.get(path, ())):
            there = ", ".join(name for name in node if name in taken) or "none"
            raise UsageError(
                f"{path}.{key} is not a setting of {made.__name__}, whose settings here are "
                f"{there}: leave it out, or choose another {path}"
            )


def settings_with_types(tree: Any) -> Iterator[tuple[str, Any, Any]]:
    """Every setting of a resolved config that has a type, by its whole name."""
    from deltamem_base.ranges import field_types

    for key, kind in OF_NO_CLASS.items():
        above, _, last = key.rpartition(".")
        held = tree.get(above, {}) if above else tree
        if isinstance(held, Mapping) and last in held:
            yield key, held[last], kind
    for path, node in _targets(tree, ""):
        kinds = field_types(made_by(node))
        for key, value in node.items():
            nested = isinstance(value, Mapping) and TARGET in value
            if key in kinds and not nested:
                yield f"{path}{key}", value, kinds[key]


def _targets(node: Any, path: str) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Every node that names a class, with its place, however deep it lies."""
    if isinstance(node, Mapping):
        if TARGET in node:
            yield path, node
        for key, value in node.items():
            yield from _targets(value, f"{path}{key}.")
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for number, value in enumerate(node):
            yield from _targets(value, f"{path}{number}.")
