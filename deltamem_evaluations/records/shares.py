"""Answers of several processes: each appends to a store of its own, and the first takes them in.

An answer lies in one of the stores from the moment it is there. It is in the run's own before its
share is removed, so that whoever dies in between leaves it twice at most, which counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from deltamem_evaluations.records.store import SampleStore

__all__ = ["left_shares", "share_folder", "take_in"]

SHARES = "shares"
"""The folder of a run that holds the stores of its processes while they work."""


def share_folder(run: Path, process: int) -> Path:
    """The folder of one process's store.

    Args:
        run: the run's own folder.
        process: its number, from 1 on; the first process, 0, has the run's own store.
    """
    return run / SHARES / str(process)


def left_shares(run: Path) -> Sequence[Path]:
    """Folders of stores that processes of a run left behind when they died."""
    shares = run / SHARES
    return sorted(path for path in shares.iterdir() if path.is_dir()) if shares.is_dir() else []


def take_in(store: SampleStore, shares: Iterable[Path]) -> None:
    """Move all answers of some shares into the run's own store.

    Args:
        store: the run's own.
        shares: folders, each with a store that nobody writes any more.

    Raises:
        Fault: a process still writes one of them.
        Partial: the answers cannot be written; they are kept where they are.
        InvalidData: a damaged line, or answers of another configuration.
    """
    for folder in shares:
        with SampleStore(folder, key=store.key) as share:
            fresh = [line for line in share.lines.values() if line.id not in store.lines]
            if fresh:
                store.append(fresh)
            # what cannot be removed is taken in again by the next run, and is known by then
            with suppress(OSError):
                share.path.unlink()
        with suppress(OSError):
            folder.rmdir()
    with suppress(OSError):
        (store.path.parent / SHARES).rmdir()
