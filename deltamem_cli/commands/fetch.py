"""``deltamem fetch``: data, once, at one revision, with checksums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deltamem_cli.compose import options, run_config
from deltamem_cli.console import Console
from deltamem_cli.errors import MISSING, OK, UsageError
from deltamem_cli.instantiate import build, check_types

__all__ = ["fetch", "fetch_needed"]

ALL = "all"


def fetch(words: Sequence[str], *, console: Console) -> int:
    """Download the data of benchmarks (``bench=NAME,NAME``) or of all (``bench=all``).

    One data set that cannot be had does not keep the others from being fetched.

    Raises:
        UsageError: nothing to fetch was named, or a setting that fetching does not depend on.
    """
    names, settings = _named(words)
    sources = {name: _sources(name, settings) for name in names}
    rows = []
    for name, found in sources.items():
        rows += [_fetch_one(name, source, console) for source in found]
        if not found:
            rows.append({"bench": name, "path": None, "fault": None})
            console.result(f"{name}: made from a seed, nothing to fetch")
    console.json({"rows": rows})
    return MISSING if any(row["fault"] for row in rows) else OK


def fetch_needed(evaluations: Sequence[Sequence[str]], *, console: Console) -> None:
    """Fetch what evaluations need and nobody gave a path for; what cannot be had is said.

    Args:
        evaluations: words of `deltamem eval` each.
        console: prints.
    """
    needed = {
        words
        for evaluation in evaluations
        if not any(w.startswith("bench.path=") for w in evaluation)
        if (words := tuple(w for w in evaluation if w.startswith(("bench=", "bench."))))
    }
    for name, *settings in sorted(needed):
        for source in _sources(name.removeprefix("bench="), settings):
            _fetch_one(name.removeprefix("bench="), source, console)


def _named(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The benchmarks that were named, and the settings of a single one."""
    named = [word.partition("=")[2] for word in words if word.startswith("bench=")]
    settings = [word for word in words if not word.startswith("bench=")]
    if len(named) != 1 or not named[0]:
        raise UsageError(
            f"name what to fetch: bench={ALL}, or bench= one of {', '.join(options('bench'))}"
        )
    names = options("bench") if named[0] == ALL else named[0].split(",")
    for word in settings:
        if word.startswith("bench.path="):
            raise UsageError(f"{word}: what is on this machine already needs no fetching")
        if not word.startswith("bench."):
            raise UsageError(f"fetching takes bench=NAME and bench.KEY=VALUE, and got '{word}'")
        if len(names) > 1:
            raise UsageError(f"{word} is a setting of one benchmark, and {len(names)} were named")
    return names, settings


def _sources(name: str, settings: Sequence[str]) -> list[Any]:
    """Where a benchmark's data comes from; neither its data nor a model is needed."""

    def of(config: Any) -> list[Any]:
        from omegaconf import OmegaConf

        check_types(OmegaConf.masked_copy(config, "bench"))
        return list(build(config.bench).sources())

    found: list[Any] = run_config("eval", of, [f"bench={name}", *settings])
    return found


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
