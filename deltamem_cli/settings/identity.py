"""Names and hashes of runs: content, never job numbers or times."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from deltamem_base.plain_values import MARKER
from deltamem_cli.settings.compose import option, options
from deltamem_cli.settings.grammar import key_of, value_of, word
from deltamem_cli.settings.paths import without_folders

__all__ = [
    "PLACES",
    "config_hash",
    "content_hash",
    "control_name",
    "deciding",
    "leaves",
    "plain",
    "public_words",
    "tree_of",
]

PLACES = ("runs_dir", "results_dir", "limit", "tracker", "hydra")
"""Settings that change where things go, not what comes out."""


def tree_of(config: Any) -> dict[str, Any]:
    """A config as plain dictionaries and lists, all references followed."""
    from omegaconf import OmegaConf

    tree = OmegaConf.to_container(config, resolve=True)
    assert isinstance(tree, dict)
    return {str(key): value for key, value in tree.items()}


def plain(config: Any) -> dict[str, Any]:
    """The settings that a record holds: no places, no folders of a machine, no names of classes."""
    decisive = _without_places(tree_of(config))
    return {key: _without_markers(value) for key, value in decisive.items()}


def deciding(words: Iterable[str]) -> list[str]:
    """Overrides of the command line without those that only say where things go."""
    return [said for said in words if re.split(r"[./]", key_of(said))[0] not in PLACES]


def public_words(words: Iterable[str]) -> list[str]:
    """The overrides that were typed, for a card: no places, and of a path its last part alone."""
    public = []
    for said in deciding(words):
        value = value_of(said)
        shown = without_folders(value)
        public.append(said if shown == value else word(said.partition("=")[0], shown))
    return public


def control_name(config: Any) -> str:
    """The option of ``control=`` with the parts of a config; the parts where none has them."""
    parts = {str(name): value for name, value in config.control.items()}
    for name in options("control"):
        if option("control", name) == parts:
            return name
    return "+".join(str(value) for value in parts.values())


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting of a tree by its whole name, such as ``bench.protocol``."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def config_hash(config: Any) -> str:
    """Hash of everything in a config that changes what comes out, names of classes included."""
    return content_hash(_without_places(tree_of(config)))


def content_hash(content: Any) -> str:
    """Hash of plain values, whatever the order of their keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_places(tree: Mapping[str, Any]) -> dict[str, Any]:
    return {key: without_folders(value) for key, value in tree.items() if key not in PLACES}


def _without_markers(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_markers(v) for k, v in value.items() if not MARKER.fullmatch(str(k))}
    return [_without_markers(v) for v in value] if isinstance(value, list) else value
