"""How a verb ends: an exit code, and for whatever a user can mend one sentence."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from deltamem_cli.console import Console

__all__ = ["Stopped", "exit_with"]

SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, with the exit code of each."""

    def __init__(self, number: int) -> None:
        """``number`` of the signal."""
        super().__init__(SIGNALS[signal.Signals(number)])
        self.exit_code = 128 + number


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
        code = getattr(fault, "exit_code", None)
        if code is None:
            raise
        Console().error(str(fault))
        return int(code)
    return 0


def _behind(end: BaseException) -> Stopped | None:
    """The signal that Typer turned into an exit without a word."""
    fault: BaseException | None = end
    while fault is not None and not isinstance(fault, Stopped):
        fault = fault.__cause__ or fault.__context__
    return fault


def _say(stopped: Stopped) -> int:
    Console().error(f"{stopped}; run the same command again to go on")
    return stopped.exit_code


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)
