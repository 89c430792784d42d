"""``deltamem fetch``: data, once, at one revision, with checksums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltamem_cli.compose import options, run_config
from deltamem_cli.console import Console
from deltamem_cli.errors import MISSING, OK, UsageError
from deltamem_cli.instantiate import build

__all__ = ["fetch"]


def fetch(words: Sequence[str], *, console: Console) -> int:
    """Download the data of a benchmark (``bench=NAME``) or of all (``bench=all``).

    One data set that cannot be had does not keep the others from being fetched.

    Raises:
        UsageError: nothing to fetch was named.
    """
    names = [word.partition("=")[2] for word in words if word.startswith("bench=")]
    others = [word for word in words if not word.startswith("bench=")]
    if len(names) != 1:
        raise UsageError(
            f"name what to fetch: bench=all, or bench= one of {', '.join(options('bench'))}"
        )
    chosen = options("bench") if names == ["all"] else names
    rows = []
    for name in chosen:
        sources = run_config(
            "eval", lambda config: list(build(config.bench).sources()), [f"bench={name}", *others]
        )
        rows += [_fetch_one(name, source, console) for source in sources]
        if not sources:
            rows.append({"bench": name, "path": None, "fault": None})
            console.result(f"{name}: made from a seed, nothing to fetch")
    console.json({"rows": rows})
    return MISSING if any(row["fault"] for row in rows) else OK


def _fetch_one(name: str, source: Any, console: Console) -> dict[str, Any]:
    from evaluations.errors import DataUnavailable
    from evaluations.fetch import fetch as fetch_source

    console.note(f"{name}: {getattr(source, 'licence', '') or 'no licence stated'}")
    try:
        with console.progress(name) as tick:
            path = fetch_source(source, progress=tick)
    except DataUnavailable as fault:
        console.error(f"{name}: {fault}")
        return {"bench": name, "path": None, "fault": str(fault)}
    console.result(f"{name}: {path}")
    return {"bench": name, "path": str(path), "fault": None}
