"""Download data sets once, at one revision, with checksums; what cannot be had is said."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from deltamem_cli.runs.requests import FetchRequest
from deltamem_cli.screen.console import Console

if TYPE_CHECKING:
    from deltamem_evaluations.data.fetch import Source

__all__ = ["fetch_needed", "fetch_one"]


def fetch_needed(requests: Iterable[FetchRequest], console: Console) -> None:
    """Fetch each source of these runs once; what cannot be had is said."""
    from deltamem_evaluations.data.sources import HubSource

    sources = {repr(source): source for request in requests for source in request.sources}
    for source in sources.values():
        name = source.id if isinstance(source, HubSource) else source.name
        fetch_one(name, source, console)


def fetch_one(name: str, source: Source, console: Console) -> dict[str, object]:
    """The file of a data set or the fault that kept it from coming, as a row of results."""
    from deltamem_base.faults import Unavailable
    from deltamem_evaluations.data.fetch import fetch as fetch_source

    console.note(f"{name}: {source.licence or 'no licence stated'}")
    try:
        with console.progress(name) as tick:
            path = fetch_source(source, progress=tick)
    except Unavailable as fault:
        console.error(f"{name}: {fault}")
        return {"path": None, "fault": str(fault)}
    console.result(f"{name}: {path}")
    return {"path": str(path), "fault": None}
