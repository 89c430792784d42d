"""Download data sets once, at one revision, with checksums; what cannot be had is said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltamem_cli.screen.console import Console
from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.instantiate import build

__all__ = ["fetch_needed", "fetch_one"]


def fetch_needed(
    evaluations: Sequence[Sequence[str]], trainings: Sequence[Sequence[str]], *, console: Console
) -> None:
    """Fetch what is needed and nobody gave a path for; what cannot be had is said.

    Args:
        evaluations: words of `deltamem eval` each.
        trainings: words of `deltamem train` each.
        console: prints.
    """
    nodes = [composed.tree["bench"] for composed in compose_each("eval", evaluations)]
    nodes += [composed.tree["training"]["data"] for composed in compose_each("train", trainings)]
    local = [node for node in nodes if node.get("path", "") is None]
    sources = {repr(source): source for node in local for source in build(node).sources()}
    for source in sources.values():
        fetch_one(getattr(source, "id", None) or source.name, source, console)


def fetch_one(name: str, source: Any, console: Console) -> dict[str, Any]:
    """The file of a data set or the fault that kept it from coming, as a row of results."""
    from deltamem_base.faults import Unavailable
    from evaluations.data.fetch import fetch as fetch_source

    console.note(f"{name}: {getattr(source, 'licence', '') or 'no licence stated'}")
    try:
        with console.progress(name) as tick:
            path = fetch_source(source, progress=tick)
    except Unavailable as fault:
        console.error(f"{name}: {fault}")
        return {"path": None, "fault": str(fault)}
    console.result(f"{name}: {path}")
    return {"path": str(path), "fault": None}
