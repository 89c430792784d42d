"""A terminal's keyboard: what is typed while an answer streams is kept for the next prompt."""

from __future__ import annotations

import sys
import termios
from contextlib import suppress

__all__ = ["Keyboard"]

LOCAL_MODES = 3
"""Place of the local modes among what ``termios.tcgetattr`` returns."""


class Keyboard:
    """Keys that show on the screen as they are typed, or are held until they are asked for.

    Where no person types at a screen there is nothing to hold.
    """

    def __init__(self) -> None:
        """Remember how the terminal is set."""
        self._found = None
        if sys.stdin.isatty() and sys.stdout.isatty():
            self._found = termios.tcgetattr(sys.stdin)

    def hold(self) -> None:
        """Show nothing of what is typed from now on; it stays in the queue, key by key.

        Ctrl-C and Ctrl-Z do what they always do.
        """
        if self._found is not None:
            modes = list(self._found)
            modes[LOCAL_MODES] &= ~(termios.ECHO | termios.ECHONL | termios.ICANON)
            self._set(modes)

    def release(self) -> None:
        """Set the terminal as it was found; a prompt then shows what was held."""
        if self._found is not None:
            self._set(self._found)

    def _set(self, modes: termios._Attr) -> None:
        with suppress(termios.error):  # the terminal is gone, and nobody types
            termios.tcsetattr(sys.stdin, termios.TCSANOW, modes)
