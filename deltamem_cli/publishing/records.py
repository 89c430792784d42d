"""Which records are of exactly these weights, and which of the bare backbone stand beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.errors import UsageError

if TYPE_CHECKING:
    from deltamem_evaluations.records.record import Record
    from deltamem_evaluations.reporting import StoredRecord

__all__ = ["AdapterRecords", "adapter_records"]


@dataclass(frozen=True, kw_only=True)
class AdapterRecords:
    """The measurements made with an adapter."""

    records: Sequence[StoredRecord]
    """Complete ones: of the adapter, and of the bare backbone on the same questions."""
    notes: Sequence[str]
    """A sentence for each record that was found and not used."""


def adapter_records(
    sha: str, *, fingerprint: str | None, named: Sequence[Path], searched: Sequence[Path]
) -> AdapterRecords:
    """The complete records of an adapter and its backbone.

    Args:
        sha: of the adapter's weights; nothing else decides whose a record is.
        fingerprint: of its backbone.
        named: records, runs, or folders of them that the user gave; with them nothing is searched.
        searched: folders that may hold records of anything.

    Raises:
        UsageError: a named record of other weights, or a path that holds no record.
    """
    from deltamem_evaluations.reporting.collection import find, incomplete

    stored, notes = find(searched) if not named else _named(named, sha, fingerprint)
    usable = []
    for one in stored:
        if one.record.weights_sha != sha and not _bare(one.record, fingerprint):
            continue
        if not one.record.complete:
            notes.append(f"{incomplete(one)}: not on the card")
        elif one.record.limited:
            notes.append(f"{one.file} has only the first samples: not on the card")
        else:
            usable.append(one)
    own = [one for one in usable if one.record.weights_sha == sha]
    questions = {_questions(one.record) for one in own}
    kept = {
        one.record.cell: one
        for one in usable
        if one.record.weights_sha == sha or _questions(one.record) in questions
    }
    return AdapterRecords(records=list(kept.values()), notes=notes)


def _named(
    paths: Sequence[Path], sha: str, fingerprint: str | None
) -> tuple[list[StoredRecord], list[str]]:
    """The records that the user named, each of these weights or of the bare backbone."""
    from deltamem_evaluations.records.record import RECORD, read_record
    from deltamem_evaluations.reporting import StoredRecord
    from deltamem_evaluations.reporting.collection import find

    found: list[StoredRecord] = []
    notes: list[str] = []
    for path in paths:
        file = path / RECORD if (path / RECORD).is_file() else path
        if file.is_file():
            record = read_record(file)
            if record.weights_sha != sha and not _bare(record, fingerprint):
                weights = f"weights {record.weights_sha[:12]}" if record.weights_sha else "none"
                raise UsageError(
                    f"{path} is a record of other weights than this adapter's ({weights}; the "
                    f"adapter's are {sha[:12]}): leave it out, or push the adapter that it belongs "
                    "to"
                )
            found.append(StoredRecord(record=record, file=file))
            continue
        below, unreadable = find([path])
        if not below and not unreadable:
            raise UsageError(f"there is no record in {path}; name a run, or a folder of runs")
        found += below
        notes += unreadable
    return found, notes


def _bare(record: Record, fingerprint: str | None) -> bool:
    """Whether this is the backbone without any memory."""
    from deltamem_evaluations.reporting.attribution import REFERENCE

    made = record.provenance
    same = made.backbone.model_fingerprint == fingerprint
    return same and made.method.family == REFERENCE and record.control == "none"


def _questions(record: Record) -> tuple[str, str, int]:
    """Two records with the same answered the same questions, by the same rules."""
    return record.bench, record.fingerprint, record.n.expected
