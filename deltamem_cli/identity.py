"""Names and hashes of runs: content, never job numbers or times."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["PLACES", "config_hash", "content_hash", "deciding", "digests", "leaves", "plain"]

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


def _without_folders(value: Any) -> Any:
    """Absolute paths by their last part: a record names no folder of one machine."""
    if isinstance(value, dict):
        return {key: _without_folders(v) for key, v in value.items()}
    if isinstance(value, list):
        return [_without_folders(v) for v in value]
    return Path(value).name if isinstance(value, str) and value.startswith("/") else value


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


HASHED_BYTES = 2**26
"""Of larger files the size and time stand in for the content."""


def digests(config: Any) -> dict[str, str]:
    """A digest of every file and folder that a config names: the same name may hold other data."""
    from omegaconf import OmegaConf

    tree = OmegaConf.to_container(config, resolve=True)
    found = {}
    for text in _texts(tree):
        path = Path(text).expanduser()
        if ("/" in text or path.suffix) and path.exists():
            found[path.name] = _digest(path)
    return found


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in PLACES:
                yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
    elif isinstance(node, str):
        yield node


def _digest(path: Path) -> str:
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return content_hash([(p.name, _content(p)) for p in files])


def _content(path: Path) -> str:
    from evaluations.datafile import sha256_of

    size = path.stat().st_size
    if size > HASHED_BYTES:
        return f"{size} bytes of {path.stat().st_mtime_ns}"
    return sha256_of(path)
