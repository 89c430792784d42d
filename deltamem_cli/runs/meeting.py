"""Several processes at one run: they meet, and end together, whichever of them has a fault.

A process that has a fault brings it to its next meeting. The others hear of it there, once their
own work is done and stored; then all end with its exit code, and the first says its sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from deltamem_base.faults import Fault, Partial

if TYPE_CHECKING:
    from deltamem.training import Processes

__all__ = ["ALONE", "Meeting", "ending_together"]

Said = TypeVar("Said")


@dataclass(frozen=True)
class Meeting:
    """One process among those of a run, or the only one."""

    processes: Processes | None = None
    """Processes of a launcher; None is a single process."""

    @property
    def index(self) -> int:
        """Number of this process, from 0 on."""
        return 0 if self.processes is None else self.processes.index

    @property
    def count(self) -> int:
        """Number of processes."""
        return 1 if self.processes is None else self.processes.count

    @property
    def main(self) -> bool:
        """Whether this process writes the record and speaks."""
        return self.index == 0

    @property
    def named(self) -> str:
        """Words after the name of a run that this process has a part of; none alone."""
        return "" if self.count == 1 else f" ({self.index + 1} of {self.count} processes)"

    def hear(self, said: Said) -> list[Said]:
        """The words of all processes, in their order, once all have come.

        Raises:
            Fault: another process came with one, or is gone.
        """
        heard = self._gather(_Word(said=said))
        fault = next((word.fault for word in heard if word.fault is not None), None)
        if fault is not None:
            raise _HeardOf(fault)
        return [word.said for word in heard]

    def first_fault(self, own: Fault) -> Fault:
        """The fault of the first process that has one, when this one comes with its own."""
        try:
            heard = self._gather(_Word(fault=own))
        except _Gone:
            return own
        first = next(n for n, word in enumerate(heard) if word.fault is not None)
        return own if first == self.index else heard[first].fault or own

    def _gather(self, word: _Word) -> list[_Word]:
        if self.processes is None:
            return [word]
        try:
            return self.processes.gather(word)
        except RuntimeError as fault:
            raise _Gone(
                "another process of this run has ended; all answers so far are kept: run the same "
                "command again"
            ) from fault


ALONE = Meeting()


@dataclass(frozen=True, kw_only=True)
class _Word:
    """Word of a process to the others, or the fault that it comes with."""

    said: Any = None
    fault: Fault | None = None


class _HeardOf(Fault):
    """A fault of another process, which all know of now."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class _Gone(Partial):
    """Another process ended without a word: there is nobody to meet any more."""


@contextmanager
def ending_together() -> Iterator[Meeting]:
    """The processes that a launcher started, which leave the block together.

    Raises:
        Fault: in the first process, the first fault that any of them had; the others just end with
            its exit code.
    """
    from deltamem.training import Processes

    meeting = Meeting(Processes.current(messages_only=True))
    try:
        yield meeting
        meeting.hear(None)
        return
    except _Gone as gone:
        end: Fault = gone
    except _HeardOf as heard:
        end = heard.fault
    except Fault as own:
        end = meeting.first_fault(own)
    if meeting.main:
        raise end
    raise SystemExit(end.exit_code)
