"""The command line in forks of one process, to be killed: at a place, in mid-write, at a moment.

Python, torch and transformers take seconds to start; a fork of a process that has them takes none.
That process must have no threads that hold locks, so it is one of its own and not pytest's:
``ForkedCli`` starts this file as a script, which forks once for each line that it reads.

A *place* is where the child is about to touch a file below its folder: to make, open, rename or
remove one. Opening a file to write it is two places, before and after it is there and empty. What
no audit event shows, such as the bytes that safetensors writes, is reached by ``largest_file``: the
kernel kills a process by SIGXFSZ at that very byte.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from child_environment import child_environment

TOUCHING = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What befalls a run; by default nothing."""

    kill_at: str | None = None
    """The place at which it is killed."""
    full_from: str | None = None
    """The place from which on the disk is full."""
    coming: int = 1
    """At which of several comings to the place, from 1 on."""
    room: int = 0
    """Bytes that a file may still have on the full disk."""
    largest_file: int | None = None
    """Bytes; it is killed when a file outgrows them."""
    seconds: float | None = None
    """After the command line began, when it is sent ``signal``."""
    signal: int = signal.SIGKILL


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run ended."""

    code: int
    """The exit code, or minus the signal."""
    said: str
    """On stdout and stderr."""
    places: Sequence[str]
    """What it touched, with numbers left out: ``write .step-#.#-#-#.part/trainer.json``."""
    seconds: float
    """Since the command line began."""


class ForkedCli:
    """``run(folder, "train", …, fault=…)`` in a fork; close it to end the process behind it."""

    def __init__(self, warm: Sequence[Sequence[str]], folder: Path) -> None:
        """``warm``: commands that are run once in ``folder``, so that all is imported."""
        self.process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(warm), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=child_environment(),
        )

    def __enter__(self) -> ForkedCli:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.communicate()
        assert self.process.returncode == 0

    def run(self, folder: Path, *words: str, fault: Fault | None = None) -> Ended:
        """Run ``deltamem WORDS`` in ``folder`` to its end, which ``fault`` may bring about."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"folder": str(folder), "words": words, "fault": asdict(fault or Fault())}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Ended(**json.loads(self.process.stdout.readline()))


class Places:
    """Tells the places that this process comes to, and strikes at one coming to one of them."""

    def __init__(self, folder: str, told: int, fault: Fault) -> None:
        self.folder, self.told, self.fault = folder + os.sep, told, fault
        self.at = fault.kill_at or fault.full_from
        self.left = fault.coming
        self.watching = True

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook (:func:`sys.addaudithook`)."""
        if event not in TOUCHING or not self.watching or not isinstance(arguments[0], str):
            return
        path = os.path.abspath(arguments[0])
        if not path.startswith(self.folder):
            return
        makes = event == "open" and bool(arguments[2] & os.O_EXCL)
        writes = event == "open" and bool(arguments[2] & WRITING) and not makes
        name = re.sub(r"[0-9a-f]{8,}|\d+", "#", os.sep.join(path.split(os.sep)[-3:]))
        opens = "make" if makes else "write" if writes else "read"
        what = {"open": opens}.get(event, event.removeprefix("os."))
        self._reach(f"{what} {name}")
        if writes:
            if self.at == f"fill {name}":
                self.watching = False
                os.close(os.open(path, arguments[2], 0o666))
                self.watching = True
            self._reach(f"fill {name}")

    def _reach(self, place: str) -> None:
        os.write(self.told, f"{place}\n".encode())
        self.left -= place == self.at
        if place == self.at and self.left == 0:
            if self.fault.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            _limit_files(self.fault.room)


def _limit_files(size: int) -> None:
    """To ``size`` bytes: the write that goes beyond fails, or kills where SIGXFSZ may."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def _become(asked: dict[str, Any], said: int, told: int) -> None:
    """The child: the command line with its output in ``said`` and its places in ``told``."""
    from deltamem_cli.app import app
    from deltamem_cli.exits import end_with

    fault = Fault(**asked["fault"])
    os.dup2(said, 1)
    os.dup2(said, 2)
    # the streams of before know what the old files could do, such as seek
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    os.chdir(asked["folder"])
    if fault.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _limit_files(fault.largest_file)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    sys.addaudithook(Places(asked["folder"], told, fault))

    def begin() -> None:
        os.write(told, b"\n")
        app(list(asked["words"]))

    code = 1
    try:
        end_with(begin)
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _fork(asked: dict[str, Any]) -> Ended:
    said, told = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        _become(asked, said[1], told[1])
    os.close(said[1])
    os.close(told[1])
    fault = Fault(**asked["fault"])
    with open(said[0], encoding="utf-8") as words, open(told[0], encoding="utf-8") as places:
        places.readline()
        started = time.monotonic()
        if fault.seconds is not None:
            time.sleep(fault.seconds)
            os.kill(child, fault.signal)
        return Ended(
            said=words.read(),
            places=places.read().splitlines(),
            code=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]),
            seconds=time.monotonic() - started,
        )


def _serve() -> None:
    from deltamem_cli.app import app
    from deltamem_cli.exits import exit_with

    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.chdir(sys.argv[2])
    for words in json.loads(sys.argv[1]):
        assert exit_with(lambda words=words: app(list(words))) == 0
    for line in sys.stdin:
        answers.write(json.dumps(asdict(_fork(json.loads(line)))) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
