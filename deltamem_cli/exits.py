"""How a verb ends: an exit code, and for whatever a user can mend one sentence."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from deltamem_cli.console import Console
from deltamem_cli.errors import USAGE

__all__ = ["Stopped", "end_with", "exit_with"]

SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, with the exit code of each."""

    def __init__(self, number: int) -> None:
        """``number`` of the signal."""
        super().__init__(SIGNALS[signal.Signals(number)])
        self.exit_code = 128 + number


def end_with(app: Callable[[], Any]) -> NoReturn:
    """:func:`exit_with`, and end the process; a signal that comes then has nothing to stop."""
    try:
        code = exit_with(app)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
    except Stopped as stopped:
        code = _say(stopped)
    sys.exit(code)


def exit_with(app: Callable[[], Any]) -> int:
    """Call the application and turn what it raises into an exit code.

    Exceptions of ours carry ``exit_code`` and are one sentence. Anything else is a fault of this
    program and keeps its traceback.
    """
    for number in SIGNALS:
        signal.signal(number, _stop)
    try:
        app()
    except SystemExit as end:
        stopped = _behind(end)
        if stopped is not None:
            return _say(stopped)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Stopped as stopped:
        return _say(stopped)
    except BrokenPipeError:
        # whoever read our output has gone; that is not an error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as fault:
        (sentence, code), signalled = _said(fault), _behind(fault)
        if code is not None:
            Console().error(sentence)
        if signalled is not None:
            return _say(signalled)
        if code is None:
            raise
        return code
    return 0


def _said(fault: Exception) -> tuple[str, int | None]:
    """A fault as a sentence with its exit code; without one where it is this program's."""
    code: int | None = getattr(fault, "exit_code", None)
    try:
        os.getcwd()
    except FileNotFoundError:
        return "the working folder is gone: go to one that is there", USAGE
    return str(fault), code


def _behind(end: BaseException) -> Stopped | None:
    """The signal that Typer turned into an exit, or that broke something else on its way."""
    behind: list[BaseException | None] = [end]
    for fault in behind:
        if isinstance(fault, Stopped):
            return fault
        if fault is not None:
            behind += [f for f in (fault.__cause__, fault.__context__) if f not in behind]
    return None


def _say(stopped: Stopped) -> int:
    Console().error(f"{stopped}; run the same command again to go on")
    return stopped.exit_code


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)
