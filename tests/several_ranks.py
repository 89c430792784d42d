"""Command lines in the processes that a launcher starts, one after the other, to be struck.

A launcher starts this file as a script, so that one start of torch and transformers serves several
runs. In the folder it runs in, each process writes down how its runs ended.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["Ended", "Step", "endings"]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of all processes, and what befalls the second one."""

    words: Sequence[str]
    second: Sequence[str] = ()
    """Further words of the second process."""
    room: int | None = None
    """Bytes that a file of the second process may have; more is a full disk."""
    kill_after: int | None = None
    """Number of answers on the disk after which the second process kills itself."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended in one process."""

    code: int
    out: str
    err: str


def endings(folder: Path, rank: int) -> list[Ended]:
    """How the commands ended in a process, those that it lived to see."""
    lines = (folder / f"rank-{rank}.jsonl").read_text(encoding="utf-8").splitlines()
    return [Ended(**json.loads(line)) for line in lines]


@contextmanager
def _struck(step: Step) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    on_disk, sync = 0, os.fsync

    def counted(file: Any) -> None:
        nonlocal on_disk
        sync(file)
        on_disk += 1
        if on_disk == step.kill_after:
            os.kill(os.getpid(), signal.SIGKILL)

    if step.room is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (step.room, hard))
    if step.kill_after is not None:
        os.fsync = counted
    yield
    os.fsync = sync
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _run(words: Sequence[str]) -> Ended:
    from deltamem_cli.app import app
    from deltamem_cli.exits import Stopped, exit_with

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = exit_with(lambda: app(list(words)))
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        except Stopped as stopped:  # between the two lines above
            code = stopped.exit_code
    return Ended(code=code, out=out.getvalue(), err=err.getvalue())


def _main() -> None:
    rank = int(os.environ["RANK"])
    for given in json.loads(sys.argv[1]):
        step = Step(**given)
        if rank == 1:
            with _struck(step):
                ended = _run([*step.words, *step.second])
        else:
            ended = _run(step.words)
        with open(f"rank-{rank}.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(ended)) + "\n")


if __name__ == "__main__":
    _main()
