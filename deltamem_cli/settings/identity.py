"""Names and hashes of runs: content, never job numbers or times."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping

from deltamem_base.plain_values import MARKER
from deltamem_cli.settings.grammar import key_of, value_of, word
from deltamem_cli.settings.groups import option, options
from deltamem_cli.settings.paths import without_folders

__all__ = [
    "PLACES",
    "config_hash",
    "content_hash",
    "control_name",
    "deciding",
    "public_words",
    "recorded",
]

PLACES = ("runs_dir", "results_dir", "limit", "tracker", "hydra", "judge")
"""Settings that change where things go, or who judges the answers later; not what comes out."""


def recorded(tree: Mapping[str, object]) -> dict[str, object]:
    """The settings that a record holds: no places, no folders of a machine, no names of classes."""
    return {key: _without_markers(value) for key, value in _without_places(tree).items()}


def deciding(words: Iterable[str]) -> list[str]:
    """Overrides of the command line without those that only say where things go."""
    return [said for said in words if re.split(r"[./]", key_of(said))[0] not in PLACES]


def public_words(words: Iterable[str]) -> list[str]:
    """The overrides that were typed, for a card: no places, and of a path its last part alone."""
    public = []
    for said in deciding(words):
        setting = {key_of(said): value_of(said)}
        shown = without_folders(setting)
        (value,) = shown.values()
        public.append(said if shown == setting else word(said.partition("=")[0], value))
    return public


def control_name(parts: Mapping[str, object]) -> str:
    """The option of ``control=`` that has these parts; the parts where none has them."""
    for name in options("control"):
        if option("control", name) == parts:
            return name
    return "+".join(str(value) for value in parts.values())


def config_hash(tree: Mapping[str, object]) -> str:
    """Hash of everything in a config that changes what comes out, names of classes included."""
    return content_hash(_without_places(tree))


def content_hash(content: object) -> str:
    """Hash of plain values, whatever the order of their keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_places(tree: Mapping[str, object]) -> dict[str, object]:
    decisive = {key: value for key, value in tree.items() if key not in PLACES}
    paths_cut: dict[str, object] = without_folders(decisive)
    return paths_cut


def _without_markers(value: object) -> object:
    if isinstance(value, Mapping):
        return {k: _without_markers(v) for k, v in value.items() if not MARKER.fullmatch(str(k))}
    return [_without_markers(v) for v in value] if isinstance(value, list) else value
