"""The answers of one evaluation, which a process gives alone or several share.

The first process has the run's own store and its lock. The others append to stores of their own,
which it takes in at the end, and also those that earlier processes left when they died.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from deltamem_base.counts import counted
from deltamem_base.faults import Fault, Partial
from deltamem_cli.runs.meeting import Meeting
from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.grouping import share
from deltamem_evaluations.records.shares import left_shares, share_folder, take_in
from deltamem_evaluations.records.store import SampleStore
from deltamem_evaluations.sample import Sample

__all__ = ["Part", "SharedAnswers"]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One process's part of the work, as far as it is not in the answers."""

    notes: Sequence[str]
    """Sentences on deviations."""
    peak_memory_mb: float


@dataclass(frozen=True, kw_only=True)
class _Start:
    """Where a process begins."""

    key: str
    answered: frozenset[str]


class SharedAnswers:
    """The answers of one run as one of its processes sees them."""

    store: SampleStore
    """Keeps the answers of this process; the run's own in the first one."""
    answered: Collection[str]
    """Ids of samples that were answered before by whomever."""

    def __init__(
        self, folder: Path, *, key: str, numerics: Mapping[str, str], meeting: Meeting
    ) -> None:
        """``key`` and ``numerics``: of the run, see :class:`SampleStore`."""
        self.folder, self.key, self.numerics = folder, key, numerics
        self.meeting = meeting
        self._held = ExitStack()

    def __enter__(self) -> SharedAnswers:
        """Open the stores, the first process's before all others.

        Raises:
            Fault: another run works in the folder, or the processes are not of the same run.
        """
        with ExitStack() as opened:
            if self.meeting.main:
                self.store = opened.enter_context(self._open(self.folder))
                take_in(self.store, left_shares(self.folder))
            known = frozenset(self.store.lines) if self.meeting.main else frozenset()
            starts = self.meeting.hear(_Start(key=self.key, answered=known))
            _check_alike([start.key for start in starts])
            self.answered = starts[0].answered
            if not self.meeting.main:
                place = share_folder(self.folder, self.meeting.index)
                self.store = opened.enter_context(self._open(place))
            self.meeting.hear(None)  # nobody answers before all stores are locked
            self._held = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

    def share(
        self, benchmark: Benchmark, samples: Sequence[Sample], *, on_note: Callable[[str], None]
    ) -> Sequence[Sample]:
        """The samples that are for this process: alone all, else its share of what is missing.

        Args:
            benchmark: loaded.
            samples: all of the run.
            on_note: told what there is to share, or that there is nothing.
        """
        missing = [sample for sample in samples if sample.id not in self.answered]
        if not missing:
            on_note(f"{self.folder} is complete already")
        if self.meeting.count == 1:
            return samples
        histories = counted(len({sample.history_id for sample in missing}), "history")
        on_note(
            f"{self.meeting.count} processes share {histories}; progress is that of the first one"
        )
        place = {"process": self.meeting.index, "processes": self.meeting.count}
        return share(benchmark, missing, **place)

    def bring_together(self, part: Part, *, expected: Collection[str]) -> list[Part]:
        """Wait for all processes; the first one's store then has all answers.

        Args:
            part: what this process has to tell.
            expected: ids of all samples.

        Returns:
            The parts of all processes, in their order.

        Raises:
            Partial: the first process does not see all answers of the others.
        """
        if not self.meeting.main:
            self._held.close()
        parts = self.meeting.hear(part)
        if self.meeting.main:
            # by their names: on a network a listing may not show yet what lies there
            others = range(1, self.meeting.count)
            take_in(self.store, [share_folder(self.folder, process) for process in others])
            unseen = len(set(expected) - self.store.lines.keys())
            if unseen:
                raise Partial(
                    f"the first process does not find {unseen} answers of other processes in "
                    f"{self.folder}: name a folder that all of them share with runs_dir=FOLDER"
                )
        return parts

    def _open(self, folder: Path) -> SampleStore:
        return SampleStore(folder, key=self.key, numerics=self.numerics)


def _check_alike(keys: Sequence[str]) -> None:
    """Refuse processes that would not give the same answers.

    Raises:
        Fault: their keys differ.
    """
    if len(set(keys)) > 1:
        shown = ", ".join(key[:8] for key in keys)
        raise Fault(
            "the processes do not have the same settings, data, weights or kind of device "
            f"(their keys begin with {shown}): start all of them with the same command"
        )
