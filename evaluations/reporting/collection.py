"""Find records, and the samples that lie beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltamem_base.faults import InvalidData
from evaluations.records.record import RECORD, Record, read_record
from evaluations.records.store import SAMPLES, read_samples

__all__ = ["SampleReader", "StoredRecord", "collect", "find", "incomplete"]


@dataclass(frozen=True, kw_only=True)
class StoredRecord:
    """A record and the file it was read from."""

    record: Record
    file: Path

    @property
    def samples(self) -> Path | None:
        """The run's samples; None where they are not on this machine."""
        return self.beside(SAMPLES)

    def beside(self, pattern: str) -> Path | None:
        """A file of the run's folder, the first by name; None where none is on this machine."""
        named = Path(self.record.path).parent
        # a copy in results/ stands beside the runs/ that its path begins with
        folders = [named, self.file.parent.parent / named]
        if self.file.name == RECORD:
            folders.insert(0, self.file.parent)
        return next((path for folder in folders for path in sorted(folder.glob(pattern))), None)


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
    return f"{stored.file} has {n['scored']} of {n['expected']} samples"


class SampleReader:
    """Reads the samples of runs; of each run the scores are kept."""

    def __init__(self) -> None:
        self._scores: dict[str, dict[str, tuple[str, Mapping[str, float]]] | None] = {}

    def rows(self, stored: StoredRecord) -> list[dict[str, Any]] | None:
        """The stored lines; None where they are not here, or are not those of the record."""
        if stored.samples is None:
            return None
        try:
            rows = read_samples(stored.samples.parent)
        except InvalidData:
            return None
        return rows if len(rows) == stored.record.n["scored"] else None

    def scores(self, stored: StoredRecord) -> dict[str, tuple[str, float]] | None:
        """Sample id -> its history and its primary score; None where the samples are not here."""
        cell, metric = stored.record.cell, stored.record.primary_metric
        if cell not in self._scores:
            rows = self.rows(stored)
            self._scores[cell] = (
                None if rows is None else {r["id"]: (r["history_id"], r["scores"]) for r in rows}
            )
        known = self._scores[cell]
        if known is None:
            return None
        return {name: (h, float(s[metric])) for name, (h, s) in known.items() if metric in s}
