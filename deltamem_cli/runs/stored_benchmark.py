"""The benchmark that a record's run was asked, made again from its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deltamem_cli.runs.requests import ScoringRequest
from deltamem_cli.settings.from_record import rebuild

if TYPE_CHECKING:
    from deltamem_evaluations.records.record import Record

__all__ = ["stored_benchmark"]


def stored_benchmark(record: Record, overrides: Sequence[str] = ()) -> ScoringRequest:
    """The run's benchmark, not loaded yet, where copies of records lie, and who judges.

    Args:
        record: of the run; where its data lay is not taken from it.
        overrides: settings of the benchmark, such as ``bench.path=FILE``.

    Raises:
        InvalidData: a record that does not hold the settings of a run, or more than settings.
    """
    made: ScoringRequest = rebuild(
        record,
        overrides,
        ScoringRequest.of,
        groups=("bench",),
        parts=("bench",),
        but=("bench.path",),
        checked=("bench", "results_dir", "judge"),
    )
    return made
