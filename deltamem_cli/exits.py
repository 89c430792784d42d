"""How a verb ends: an exit code, and for whatever a user can mend one sentence."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from deltamem_cli.console import Console

__all__ = ["Terminated", "exit_with"]


class Terminated(KeyboardInterrupt):
    """SIGTERM: as Ctrl-C, with another exit code."""


def exit_with(app: Callable[[], Any]) -> int:
    """Call the application and turn what it raises into an exit code.

    Exceptions of ours carry ``exit_code`` and are one sentence. Anything else is a fault of this
    program and keeps its traceback.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Terminated:
        Console().error("terminated; run the same command again to go on")
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        Console().error("interrupted; run the same command again to go on")
        return 128 + signal.SIGINT
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


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
