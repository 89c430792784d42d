"""The backbone that an adapter names, as ``deltamem`` and Python name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deltamem_cli.settings.compose import compose_each, config_folder, options

__all__ = ["NamedBackbone", "named_backbone"]

ANY = "hf"
"""The option of ``model=`` that takes every repository and folder."""


@dataclass(frozen=True, kw_only=True)
class NamedBackbone:
    """How to name a backbone, and what it looks like."""

    words: tuple[str, ...]
    """Of ``deltamem eval``."""
    call: str
    """The Python call that loads it."""
    config: Any | None
    """Composed from the words; None for a folder, which nothing can be known of."""


def named_backbone(origin: Mapping[str, str | None]) -> NamedBackbone:
    """By what an adapter stores of its backbone: ``name``, and ``revision`` on the hub."""
    from omegaconf import OmegaConf

    from deltamem.adapter.card import loading_call

    name, revision = str(origin["name"]), origin["revision"]
    option = _option(name, revision)
    if option is None and revision is None:
        call = loading_call(name, revision=None, switches={})
        return NamedBackbone(words=(f"model={ANY}", "model.id=FOLDER"), call=call, config=None)
    words = [f"model={ANY}", f"model.id={name}"] if option is None else [f"model={option}"]
    (config,) = compose_each("eval", [words])
    if revision is not None and config.model.revision != revision:
        words.append(f"model.revision={revision}")
        (config,) = compose_each("eval", [words])
    node = config.model.get("template_kwargs")
    switches = {} if node is None else OmegaConf.to_container(node)
    assert isinstance(switches, dict)
    call = loading_call(
        name, revision=revision, switches={str(key): value for key, value in switches.items()}
    )
    return NamedBackbone(words=tuple(words), call=call, config=config)


def _option(name: str, revision: str | None) -> str | None:
    """The yaml of ``model=`` that is about this backbone; the embedded one has no id."""
    from omegaconf import OmegaConf

    for option in options("model"):
        node: Any = OmegaConf.load(config_folder() / "model" / f"{option}.yaml")
        known = node.get("id") or (option if "id" not in node else None)
        if known == name and (revision is None) == ("id" not in node):
            return option
    return None
