"""Runs by short names: ``eval-1`` is the oldest evaluation of a folder, ``@last`` the newest.

Finished evaluations are numbered by the dates of their records, so that a number stays what it is
when others are added.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deltamem_base.faults import Fault, Unavailable

__all__ = ["RUNS", "NamedRun", "find_run", "runs_in"]

RUNS = Path("runs")
"""The folder of runs, unless ``runs_dir=`` says otherwise."""
ADAPTER_CARD = "adapter/README.md"
LAST = "@last"
ALIAS = re.compile(r"@last|eval-[1-9][0-9]*")


@dataclass(frozen=True, kw_only=True)
class NamedRun:
    """A training or an evaluation in a folder of runs."""

    path: Path
    finished: bool
    alias: str | None
    """Short name; None of a training, and of a run that is not finished."""


def runs_in(folder: Path) -> Sequence[NamedRun]:
    """The runs of a folder, by their names.

    Raises:
        Unavailable: there is no such folder.
    """
    from deltamem_evaluations.records.record import RECORD

    if not folder.is_dir():
        raise Unavailable(f"there is no folder {folder}: name one that holds runs")
    found = sorted(folder.glob("*__*"))
    dates = {path: date for path in found if (date := _date(path / RECORD)) is not None}
    oldest = sorted(dates, key=lambda path: (dates[path], path.name))
    aliases = {path: f"eval-{number}" for number, path in enumerate(oldest, 1)}
    return [
        NamedRun(
            path=path,
            finished=any((path / name).is_file() for name in (RECORD, ADAPTER_CARD)),
            alias=aliases.get(path),
        )
        for path in found
    ]


def find_run(named: Path) -> Path:
    """The folder or file that is meant: one that is there, a run's name, or a short name of one.

    Args:
        named: as it was typed; a name without a folder is looked for in ``runs``.

    Raises:
        Unavailable: a short name that no run has.
    """
    if named.exists():
        return named
    folder = RUNS if named.parent == Path() else named.parent
    if (folder / named.name).exists():
        return folder / named.name
    if ALIAS.fullmatch(named.name) is None:
        return named
    runs = [run for run in runs_in(folder) if run.alias is not None] if folder.is_dir() else []
    aliases = {run.alias: run.path for run in runs}
    wanted = f"eval-{len(runs)}" if named.name == LAST else named.name
    if wanted not in aliases:
        raise Unavailable(
            f"there is no run {named.name} in {folder}: `deltamem list runs {folder}` names the "
            f"{len(runs)} finished evaluations that are there"
        )
    return aliases[wanted]


def _date(path: Path) -> tuple[str, int] | None:
    """The second that a record names, and when its file was written, for two of one second.

    None where there is no record, or a damaged one.
    """
    from deltamem_base.json_text import read_document

    try:
        return str(read_document(path, dict)["date"]), path.stat().st_mtime_ns
    except (Fault, KeyError, OSError):
        return None
