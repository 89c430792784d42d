"""Sessions on disk: a ``.dmstate`` file each, within bounds, the oldest gone first.

A file takes the place of the one before by a rename, so that a session is there as of its last
whole turn, whenever the server dies. When it was written is when the session was last used.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deltamem.training.alone import locked
from deltamem_base.faults import Fault
from deltamem_base.whole_files import cannot_write, folder_beside, sync
from deltamem_cli.serving.bounds import SessionBounds
from deltamem_cli.serving.refusal import Refusal
from deltamem_cli.serving.session_id import file_name

__all__ = ["SessionFiles", "only_server"]

SUFFIX = ".dmstate"
OURS = re.compile(r"[0-9a-f]{64}\.dmstate")
DRAFT = "draft"
"""Name of the folder of a turn that is not taken over yet."""
LOCK = ".lock"


@contextmanager
def only_server(folder: Path) -> Iterator[None]:
    """While the block runs, no other server may keep sessions in a folder, and no other user look.

    Raises:
        Fault: another server is at it.
        CannotWrite: the folder cannot be made or written.
    """
    with ExitStack() as held:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            held.enter_context(locked(folder / LOCK, wait=False))
        except BlockingIOError as fault:
            raise Fault(
                f"another server keeps its sessions in {folder}: end it, or name another folder "
                "with sessions.folder=FOLDER"
            ) from fault
        except OSError as fault:
            raise cannot_write(f"the folder of sessions {folder}", fault) from fault
        yield


@dataclass(frozen=True, kw_only=True)
class _Kept:
    path: Path
    size: int
    used: float


class SessionFiles:
    """The files of all sessions; one thread at a time."""

    def __init__(self, bounds: SessionBounds) -> None:
        """``bounds``: of what is kept; what lies beyond them goes at once."""
        self._bounds, self._folder = bounds, Path(bounds.folder)
        self._make_room()

    def find(self, session: str) -> Path | None:
        """The file of a session; None where there is none, or it was idle for too long."""
        self._make_room()
        path = self._path(session)
        return path if path.is_file() else None

    def keep(self, session: str, write: Callable[[Path], object]) -> None:
        """Keep a session as it is now, whole or not at all; the oldest others make room.

        Args:
            session: its name.
            write: makes the file.

        Raises:
            Refusal: this one file would be larger than all may be.
            CannotWrite: no room on the disk, or no right to write; the file of before is untouched.
        """
        path = self._path(session)
        try:
            with folder_beside(self._folder / DRAFT) as folder:
                draft = folder / path.name
                write(draft)
                size = draft.stat().st_size
                if size > self._bounds.bytes:
                    raise Refusal(
                        f"with this turn the session would take {size:,} bytes, more than the "
                        f"{self._bounds.bytes:,} that all sessions may have: continue in another "
                        "session",
                        status=413,
                        code="session_full",
                    )
                self._make_room(size, instead_of=path)
                sync(draft)
                draft.replace(path)
        except OSError as fault:
            raise cannot_write(path, fault) from fault

    def _path(self, session: str) -> Path:
        return self._folder / f"{file_name(session)}{SUFFIX}"

    def _make_room(self, size: int = 0, *, instead_of: Path | None = None) -> None:
        """Remove what is idle, and the oldest until all is within bounds.

        Args:
            size: of a file that is about to come.
            instead_of: the file whose place it takes.
        """
        oldest = time.time() - 3600 * self._bounds.idle_hours
        kept = sorted(self._others(instead_of), key=lambda one: one.used)
        count = self._bounds.count - (instead_of is not None)
        room = self._bounds.bytes - size
        while kept and (
            kept[0].used < oldest or len(kept) > count or sum(one.size for one in kept) > room
        ):
            kept.pop(0).path.unlink(missing_ok=True)

    def _others(self, path: Path | None) -> Iterator[_Kept]:
        for other in self._folder.iterdir():
            if OURS.fullmatch(other.name) and other != path:
                found = other.lstat()
                yield _Kept(path=other, size=found.st_size, used=found.st_mtime)
