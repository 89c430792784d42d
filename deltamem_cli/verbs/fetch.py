"""``deltamem fetch``: models and data, once, at one revision, with checksums."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import typer

from deltamem_base.assets.catalogue import asset_named, asset_names
from deltamem_cli.errors import MISSING, OK, UsageError
from deltamem_cli.options import Json, Overrides, Quiet, make_console
from deltamem_cli.runs.fetching import fetch_one
from deltamem_cli.runs.requests import FetchRequest
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.groups import options
from deltamem_cli.settings.job import run_config

if TYPE_CHECKING:
    from deltamem_evaluations.data.fetch import Source

__all__ = ["fetch"]

ALL = "all"
PRIMARY = {"bench": "eval", "data": "fetch"}
"""Groups whose options have data, and the config that each is composed in."""
GROUPS = (*PRIMARY, "model")


def fetch(overrides: Overrides = None, as_json: Json = False, quiet: Quiet = False) -> None:
    """Download a model or data once, with checksums: deltamem fetch bench=all."""
    raise typer.Exit(_fetch(overrides or [], make_console(quiet=quiet, as_json=as_json)))


def _fetch(words: Sequence[str], console: Console) -> int:
    """Download the data of benchmarks (``bench=NAME,NAME`` or ``all``), ``data=`` or ``model=``.

    One of them that cannot be had does not keep the others from being fetched.

    Raises:
        UsageError: nothing to fetch was named, or a setting that fetching does not depend on.
    """
    group, names, settings = _named(words)
    sources = {name: _sources(group, name, settings) for name in names}
    rows = []
    for name, found in sources.items():
        rows += [{group: name, **fetch_one(name, source, console)} for source in found]
        if not found:
            rows.append({group: name, "path": None, "fault": None})
            console.result(f"{name}: nothing to fetch")
    console.json({"rows": rows})
    return MISSING if any(row["fault"] for row in rows) else OK


def _named(words: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """The group, what was named of it, and the settings of a single one."""
    named = [word.partition("=") for word in words if word.partition("=")[0] in GROUPS]
    settings = [word for word in words if word.partition("=")[0] not in GROUPS]
    if len(named) != 1 or not named[0][2]:
        raise UsageError(
            f"name what to fetch: bench={ALL}, or bench= one of {', '.join(options('bench'))}, or "
            f"data= one of {', '.join(_names('data'))}, or model= one of "
            f"{', '.join(_names('model'))}"
        )
    group, _, value = named[0]
    names = options("bench") if (group, value) == ("bench", ALL) else value.split(",")
    for word in settings:
        if word.startswith(f"{group}.path="):
            raise UsageError(f"{word}: a file on this machine does not need to be fetched")
        if not word.startswith(f"{group}."):
            raise UsageError(f"fetch takes {group}=NAME and {group}.KEY=VALUE, not '{word}'")
        if len(names) > 1:
            what = {"bench": "benchmark", "data": "data set", "model": "model"}[group]
            raise UsageError(f"{word} is a setting of a single {what}, but {len(names)} were named")
    return group, names, settings


def _names(group: str) -> list[str]:
    """The choices of ``data=`` and ``model=`` here: what is fetched as a whole, and data sets."""
    return sorted([*asset_names(group), *(options(group) if group in PRIMARY else ())])


def _sources(group: str, name: str, settings: Sequence[str]) -> Sequence[Source]:
    """Where the data comes from; neither the data nor a model is needed.

    Raises:
        UsageError: a model of the hub, or a setting of what has none.
    """
    asset = asset_named(group, name)
    if asset is not None:
        if settings:
            raise UsageError(f"{group}={name} has no settings: leave out '{settings[0]}'")
        return [asset]
    if group not in PRIMARY:
        raise UsageError(
            f"fetch takes {group}= one of {', '.join(_names(group))}; '{name}' is fetched from "
            "the hub by the first run that needs it, or by `hf download`"
        )

    part: Literal["bench", "data"] = "bench" if group == "bench" else "data"
    request: FetchRequest = run_config(
        PRIMARY[group],
        lambda composed: FetchRequest.of(composed, part=part),
        [f"{group}={name}", *settings],
        checked=(group, "seed"),
    )
    return request.sources
