"""One process at a time, by a lock that the system lets go of when its holder dies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deltamem_base.faults import Fault
from deltamem_base.whole_files import cannot_write

__all__ = ["locked", "only_run"]

RUN_LOCK = ".lock"
"""The file of a run's folder that its one running process holds."""


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock on a file while the block runs; the file is made where it is missing, and stays.

    Args:
        path: of the file, which holds nothing.
        wait: for whoever holds it.

    Raises:
        BlockingIOError: another process holds it, and ``wait`` is False.
        OSError: the file cannot be made, or its disk knows no locks.
    """
    import fcntl

    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """While the block runs, no other process may go on with the run in a folder.

    Raises:
        Fault: another process is at it.
        CannotWrite: the folder cannot be written.
    """
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder / RUN_LOCK, wait=False))
        except BlockingIOError as fault:
            raise Fault(
                f"another process is training in {folder}: wait for it, or name another folder "
                "with runs_dir=FOLDER"
            ) from fault
        except OSError as fault:
            raise cannot_write(f"the run folder {folder}", fault) from fault
        yield
