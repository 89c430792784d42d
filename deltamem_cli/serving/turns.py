"""Turns in a queue: one thread answers them one after another, and no reader keeps it waiting.

Pieces of an answer go into the turn's own queue, which holds no more than one answer. Whoever reads
slowly, or not at all, holds up nobody else; whoever has gone is noticed at the next token.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from deltamem_cli.runs.flush_to_zero import flush_to_zero
from deltamem_cli.serving.asked import Asked
from deltamem_cli.serving.refusal import Refusal
from deltamem_cli.serving.sessions import Answered, Sessions

__all__ = ["Ended", "Turn", "Turns"]

SOON = {"retry-after": "1"}
"""Header that says after how many seconds to ask again."""


class _Left(Exception):
    """Nobody waits for this answer any more."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """The end of a turn: an answer that is kept, or what it failed by."""

    answered: Answered | None = None
    fault: BaseException | None = None


class Turn:
    """One request on its way; its events are pieces of text and, at last, its end."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[str | Ended] = asyncio.Queue()
        self._left = threading.Event()

    def leave(self) -> None:
        """Nobody waits for the rest: unless it is kept already, the turn will leave no trace."""
        self._left.set()

    def check(self) -> None:
        """Called between two steps; ends a turn that nobody waits for."""
        if self._left.is_set():
            raise _Left


class Turns:
    """The queue of all turns."""

    def __init__(self, sessions: Sessions, *, waiting: int) -> None:
        """``waiting``: turns that run or wait for ``sessions`` to answer them, at most."""
        self._sessions, self._waiting = sessions, waiting
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="answers")
        self._running: set[Turn] = set()

    def begin(self, asked: Asked, session: str | None) -> Turn:
        """Put a request into the queue.

        Raises:
            Refusal: the queue is full.
        """
        if len(self._running) >= self._waiting:
            raise Refusal(
                f"{self._waiting} requests are being answered or are waiting: ask again in a "
                "moment",
                status=503,
                code="busy",
                headers=SOON,
            )
        turn, loop = Turn(), asyncio.get_running_loop()

        def tell(event: str | Ended) -> None:
            loop.call_soon_threadsafe(self._tell, turn, event)

        self._running.add(turn)
        self._thread.submit(self._answer, turn, asked, session, tell)
        return turn

    def stop(self) -> None:
        """Let no turn go on; those that are kept stay so."""
        for turn in self._running:
            turn.leave()
        self._thread.shutdown(wait=True)

    def _tell(self, turn: Turn, event: str | Ended) -> None:
        if isinstance(event, Ended):
            self._running.discard(turn)
        turn.events.put_nowait(event)

    def _answer(
        self, turn: Turn, asked: Asked, session: str | None, tell: Callable[[str | Ended], None]
    ) -> None:
        """Runs in the one thread; nothing that is raised gets lost."""
        try:
            turn.check()
            with flush_to_zero():
                answered = self._sessions.answer(asked, session, on_text=tell, check=turn.check)
            ended = Ended(answered=answered)
        except BaseException as fault:
            ended = Ended(fault=fault)
        try:
            tell(ended)
        except RuntimeError:
            # the loop is closed: the server has ended, and so has everybody who asked
            turn.leave()
