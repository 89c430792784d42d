"""Titles of the films that MemoryAgentBench's answers name by their ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from deltamem_base.digests import sha256_of
from deltamem_base.faults import InvalidData, Unavailable
from deltamem_base.json_text import read_document
from deltamem_evaluations.metrics.mab_films import Titles

__all__ = ["ENTITIES", "load_titles", "titles_of"]

ENTITIES = "entity2id.json"
"""The data set's file of the films' ids."""


def load_titles(
    *, given: str | None, data: Path, fetched: Path, source: str, hub_id: str
) -> tuple[Titles, str]:
    """The films of the file of ids that was given or lies beside the data, and its sha256.

    Args:
        given: a path of the user's.
        data: file or folder of the rows.
        fetched: folder of what was fetched from the hub.
        source: scored by titles, for the message.
        hub_id: of the data set, for the message.

    Raises:
        Unavailable: there is no such file.
        InvalidData: a file of another shape.
    """
    beside = data.parent if data.is_file() else data
    places = [folder / ENTITIES for folder in (beside, beside.parent, fetched)]
    if given is not None:
        places = [Path(given).expanduser()]
    path = next((place for place in places if place.is_file()), places[0])
    if not path.is_file():
        raise Unavailable(
            f"{source} is scored by film titles, and there is no {path}: run `deltamem "
            f"fetch`, give {hub_id}'s {ENTITIES} with bench.entities=FILE, or leave "
            "the source out with bench.sources"
        )
    return _read_titles(path), sha256_of(path)


def _read_titles(path: Path) -> Titles:
    """The films of an ``entity2id.json``: ids by name or address.

    Raises:
        InvalidData: a file of another shape.
    """
    content = read_document(path, dict)
    if not content or not all(type(identity) is int for identity in content.values()):
        raise InvalidData(f"{path} does not map the names of films to their ids")
    return Titles(content)


def titles_of(identities: Sequence[str], titles: Titles, at: str) -> tuple[str, ...]:
    """Films for their ids, which is what answers of such a source are; each as often as named.

    Raises:
        InvalidData: an answer that is no film's id.
    """
    found = []
    for identity in identities:
        title = titles.title(int(identity)) if identity.strip().isdecimal() else None
        if title is None:
            raise InvalidData(f"{at}: the answer '{identity}' is not among the ids of the films")
        found.append(title)
    return tuple(found)
