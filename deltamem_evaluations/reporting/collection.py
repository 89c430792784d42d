"""Find records, and read the samples that lie beside them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from deltamem_base.faults import InvalidData
from deltamem_evaluations.records.record import RECORD, read_record
from deltamem_evaluations.records.stored import Run, StoredRecord

__all__ = ["SampleReader", "collect", "find", "incomplete"]


def collect(folders: Iterable[Path]) -> tuple[list[StoredRecord], list[str]]:
    """All complete records below some folders, oldest first, each cell once.

    Of two copies the one is taken whose samples are found from it.

    Returns:
        The records, and a sentence for each file that was left out and why.
    """
    found: dict[str, StoredRecord] = {}
    every, left_out = find(folders)
    for stored in every:
        if stored.record.complete:
            known = found.setdefault(stored.record.cell, stored)
            if known.samples is None and stored.samples is not None:
                found[stored.record.cell] = stored
        else:
            left_out.append(f"{incomplete(stored)}: left out")
    return sorted(found.values(), key=lambda stored: stored.record.date), left_out


def find(folders: Iterable[Path]) -> tuple[list[StoredRecord], list[str]]:
    """All records below some folders, whole or not, in the order of their names.

    Args:
        folders: of records, of runs, or single runs.

    Returns:
        The records, and a sentence for each file that is none.
    """
    found, unreadable = [], []
    for folder in folders:
        paths = [*folder.glob("*__*.json"), *folder.glob(f"*/{RECORD}"), *folder.glob(RECORD)]
        for path in sorted(paths):
            try:
                found.append(StoredRecord(record=read_record(path), file=path))
            except InvalidData as fault:
                unreadable.append(str(fault))
    return found, unreadable


def incomplete(stored: StoredRecord) -> str:
    """How much of a record is there, in words."""
    n = stored.record.n
    return f"{stored.file} has {n.scored} of {n.expected} samples"


class SampleReader:
    """Reads the samples of runs, each run once."""

    def __init__(self) -> None:
        self._runs: dict[str, Run | None] = {}
        self.left_out: dict[str, str] = {}
        """Cell -> a sentence on samples that are here and cannot be used."""

    def run(self, stored: StoredRecord) -> Run | None:
        """A record with its samples; None where they are not here, or cannot be used."""
        cell = stored.record.cell
        if cell not in self._runs:
            self._runs[cell] = None if stored.samples is None else self._read(stored)
        return self._runs[cell]

    def _read(self, stored: StoredRecord) -> Run | None:
        try:
            return Run.of(stored)
        except InvalidData as fault:
            self.left_out[stored.record.cell] = f"{fault}: the record stands without its samples"
            return None

    def scores(
        self, stored: StoredRecord, metric: str | None = None
    ) -> dict[str, tuple[str, float]] | None:
        """Sample id -> its history and its score; None where the samples are not here.

        Args:
            stored: the record.
            metric: None is the primary one.
        """
        run, metric = self.run(stored), metric or stored.record.primary_metric
        if run is None:
            return None
        return {
            name: (line.history_id, line.measures[metric])
            for name, line in run.lines.items()
            if metric in line.measures
        }
