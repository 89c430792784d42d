"""How a verb ends: an exit code, and for whatever a user can mend one sentence."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from deltamem_base.faults import Fault
from deltamem_cli.errors import USAGE
from deltamem_cli.launched import speaks
from deltamem_cli.screen.console import Console
from deltamem_cli.screen.streams import let_go, take_streams

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

__all__ = ["Stopped", "end_with", "exit_with"]

UNHEARD = 128 + signal.SIGPIPE
"""The code that shells give a program whose reader has gone."""
SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
SOON = 0.01
"""Seconds after which a signal that was lost in a destructor comes again."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C or SIGTERM, with the exit code of each."""

    def __init__(self, number: int) -> None:
        """``number`` of the signal."""
        super().__init__(SIGNALS[signal.Signals(number)])
        self.number = number
        self.exit_code = 128 + number


def end_with(app: Callable[[], object]) -> NoReturn:
    """:func:`exit_with`, and end the process; a signal that comes then has nothing to stop."""
    take_streams()
    try:
        code = exit_with(app)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
    except Stopped as stopped:
        code = _say(stopped)
    let_go()
    sys.exit(code)


def exit_with(app: Callable[[], object]) -> int:
    """Call the application and turn what it raises into an exit code.

    Exceptions of ours carry ``exit_code`` and are one sentence. Anything else is a fault of this
    program and keeps its traceback.
    """
    for number in SIGNALS:
        signal.signal(number, _stop)
    try:
        with _nothing_lost():
            app()
    except SystemExit as end:
        return _code_of(end)
    except Stopped as stopped:
        return _say(stopped)
    except BrokenPipeError:
        return UNHEARD  # as SIGPIPE would end it, without a word; `head` is no fault
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
    code = fault.exit_code if isinstance(fault, Fault) else None
    try:
        os.getcwd()
    except FileNotFoundError:
        return "the working folder no longer exists: change to another one", USAGE
    return str(fault), code


def _behind(end: BaseException) -> Stopped | None:
    """The signal that Typer turned into an exit, or that broke something else on its way."""
    return next((fault for fault in _chain(end) if isinstance(fault, Stopped)), None)


def _code_of(end: SystemExit) -> int:
    """Typer makes exits of its own of signals, and of output that nobody reads."""
    stopped = _behind(end)
    if stopped is not None:
        return _say(stopped)
    if any(isinstance(fault, BrokenPipeError) for fault in _chain(end)):
        return UNHEARD
    return end.code if isinstance(end.code, int) else int(end.code is not None)


def _chain(end: BaseException) -> list[BaseException]:
    chain = [end]
    for fault in chain:
        before = (fault.__cause__, fault.__context__)
        chain += [f for f in before if f is not None and f not in chain]
    return chain


@contextmanager
def _nothing_lost() -> Iterator[None]:
    """A signal that comes within a destructor, which lets nothing out, comes again behind it."""
    before = sys.unraisablehook

    def see(lost: UnraisableHookArgs) -> None:
        stopped = None if lost.exc_value is None else _behind(lost.exc_value)
        if stopped is None:
            before(lost)
            return
        signal.signal(signal.SIGALRM, lambda _, frame: _stop(stopped.number, frame))
        signal.setitimer(signal.ITIMER_REAL, SOON)

    sys.unraisablehook = see
    try:
        yield
    finally:
        sys.unraisablehook = before


def _say(stopped: Stopped) -> int:
    if speaks():
        Console().error(f"{stopped}; run the same command again to go on")
    return stopped.exit_code


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped(number)
