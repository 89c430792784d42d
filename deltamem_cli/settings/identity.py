"""Names and hashes of runs: content, never job numbers or times."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from deltamem_cli.settings.compose import option, options
from deltamem_cli.settings.grammar import bare

__all__ = [
    "PLACES",
    "config_hash",
    "content_hash",
    "control_name",
    "deciding",
    "leaves",
    "plain",
    "public_words",
]

PLACES = ("runs_dir", "results_dir", "limit", "tracker", "hydra")
"""Settings that change where things go, not what comes out."""


def plain(config: Any) -> dict[str, Any]:
    """The resolved config as plain values, without what only says where things go."""
    from omegaconf import OmegaConf

    tree = OmegaConf.to_container(config, resolve=True)
    assert isinstance(tree, dict)
    return {str(k): _without_folders(v) for k, v in tree.items() if k not in PLACES}


def deciding(words: Iterable[str]) -> list[str]:
    """Overrides of the command line without those that only say where things go."""
    return [word for word in words if re.split(r"[=./]", word.lstrip("+~"))[0] not in PLACES]


def public_words(words: Iterable[str]) -> list[str]:
    """What was typed, for a card: without places, and of a path of one machine its last part."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    parser = OverridesParser.create()
    said = []
    for word in deciding(words):
        value = parser.parse_override(word).value()
        public = _without_folders(value)
        said.append(word if public == value else f"{word.partition('=')[0]}={bare(public)}")
    return said


def control_name(config: Any) -> str:
    """The option of ``control=`` with the parts of a config; the parts where none has them."""
    parts = {str(name): value for name, value in config.control.items()}
    for name in options("control"):
        if option("control", name) == parts:
            return name
    return "+".join(str(value) for value in parts.values())


def _without_folders(value: Any) -> Any:
    """Absolute paths by their last part: a record names no folder of one machine."""
    if isinstance(value, dict):
        return {key: _without_folders(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_without_folders(v) for v in value]
    return Path(value).name if isinstance(value, str) and value.startswith(("/", "~")) else value


def leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting of a tree by its whole name, such as ``bench.protocol``."""
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def config_hash(config: Any) -> str:
    """Hash of everything in a config that changes what comes out."""
    return content_hash(plain(config))


def content_hash(content: Any) -> str:
    """Hash of plain values, whatever the order of their keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
