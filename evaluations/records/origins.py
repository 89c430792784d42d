"""The numbers, the machine and the code that each stored answer was made with.

A run goes on from answers that an earlier process stored. Each line therefore says itself how it
was made, and a record says what its lines say: never what the last process happened to be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluations.records.provenance import environment

__all__ = ["ORIGIN", "Origins", "each", "made_here", "origins_of"]

ORIGIN = "origin"
"""Field of a stored line."""
DECIDING = ("numerics", "versions", "git_commit", "git_dirty")
"""Parts of an origin that may change an answer; the rest names the machine."""


@dataclass(frozen=True, kw_only=True)
class Origins:
    """What the answers of one run were made with, all of them together."""

    numerics: Mapping[str, Any]
    """Kinds of numbers, attention and device; a list where the answers differ in one."""
    environment: Mapping[str, Any]
    """Versions, machine and commit; a list where the answers differ in one."""
    differing: Sequence[str]
    """What may change an answer and is not the same for all, each with the values that occur."""


def made_here(numerics: Mapping[str, Any]) -> dict[str, Any]:
    """What this process makes its answers with.

    Args:
        numerics: the kinds of numbers, attention and device that the method computes with.
    """
    return {"numerics": dict(numerics), **environment()}


def origins_of(rows: Iterable[Mapping[str, Any]]) -> Origins:
    """What some stored lines were made with; each value once, in the order of the lines."""
    found = {json.dumps(row.get(ORIGIN, {}), sort_keys=True): row.get(ORIGIN, {}) for row in rows}
    together = _together(list(found.values()))
    differing = [
        f"{name} {' and '.join(map(str, value))}"
        for name, value in _flat({key: together.get(key) for key in DECIDING})
        if isinstance(value, list)
    ]
    numerics = together.pop("numerics", {})
    return Origins(numerics=numerics, environment=together, differing=differing)


def each(value: Any) -> list[str]:
    """The values of a field of a record's provenance: none, one, or several of a mixed run."""
    if value is None:
        return []
    return [str(v) for v in value] if isinstance(value, list) else [str(value)]


def _together(origins: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    names = dict.fromkeys(name for origin in origins for name in origin)
    joined: dict[str, Any] = {}
    for name in names:
        values = [origin.get(name) for origin in origins]
        if all(isinstance(value, Mapping) for value in values):
            joined[name] = _together([value for value in values if value is not None])
        else:
            once = [value for n, value in enumerate(values) if value not in values[:n]]
            joined[name] = once[0] if len(once) == 1 else once
    return joined


def _flat(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from value.items()
        else:
            yield name, value
