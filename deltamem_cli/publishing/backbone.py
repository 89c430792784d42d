"""The backbone that an adapter names, as ``deltamem`` and Python name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.groups import option, options

__all__ = ["NamedBackbone", "named_backbone"]

ANY = "hf"
"""The option of ``model=`` that takes every repository and folder."""


@dataclass(frozen=True, kw_only=True)
class NamedBackbone:
    """The names of a backbone, and its config."""

    words: tuple[str, ...]
    """Words of ``deltamem eval`` that choose it."""
    call: str
    """The Python call that loads it."""
    composed: Composed | None
    """The config that the words compose; None for a folder, of which nothing is known."""


def named_backbone(origin: Mapping[str, str | None]) -> NamedBackbone:
    """The names of a backbone, from what an adapter stores of it.

    Args:
        origin: its ``name``, and its ``revision`` on the hub; None for a folder.
    """
    from deltamem.adapter.card import loading_call

    name, revision = str(origin["name"]), origin["revision"]
    known = _option(name, revision)
    if known is None and revision is None:
        call = loading_call(name, revision=None, switches={})
        return NamedBackbone(words=(f"model={ANY}", "model.id=FOLDER"), call=call, composed=None)
    words = [f"model={ANY}", f"model.id={name}"] if known is None else [f"model={known}"]
    (composed,) = compose_each("eval", [words])
    if revision is not None and composed.tree["model"]["revision"] != revision:
        words.append(f"model.revision={revision}")
        (composed,) = compose_each("eval", [words])
    switches = composed.tree["model"].get("template_kwargs") or {}
    call = loading_call(name, revision=revision, switches=switches, **_file(composed.tree["model"]))
    return NamedBackbone(words=tuple(words), call=call, composed=composed)


def _file(model: Mapping[str, Any]) -> dict[str, str]:
    """The repository and name of a GGUF file, where the config has one."""
    file = model.get("gguf_file")
    return {} if file is None else {"id": model["id"], "gguf_file": file}


def _option(name: str, revision: str | None) -> str | None:
    """The yaml of ``model=`` that is about this backbone; the embedded one has no id."""
    for choice in options("model"):
        node = option("model", choice)
        if name in (node.get("id"), choice) and (revision is None) == ("id" not in node):
            return choice
    return None
