"""Bold and underlined scores: only where the data tells rows apart.

Rows contend in a column (one benchmark, one fingerprint) where they have the same model, no
control, all samples, and alike see the history in the prompt (whole or a part) or alike do not.

    best      the row with the highest mean, with all rows that cannot be told from it: the
              difference has p >= 0.05, corrected over all pairs of rows, because the data chose
              which row leads. Nothing where no row can be told from it.
    second    the next of three or more rows, where one row alone is best, and every row below can
              be told from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from deltamem_evaluations.metrics.paired import holm
from deltamem_evaluations.metrics.resampling import LEVEL
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.collection import SampleReader
from deltamem_evaluations.reporting.differences import difference
from deltamem_evaluations.reporting.tables import BEST, SECOND

__all__ = ["RULE", "emphasised"]

RULE = (
    "bold: the best row, and every row that is not significantly worse (p ≥ 0.05, paired by "
    "question where the samples are here, corrected over all pairs of rows). Rows are compared if "
    "they have the same model and either all see the history or none does; controls and limited "
    "runs are left out. No row is bold if none is significantly worse than the best. Underlined: "
    "the second row, if a single row is best and all rows below the second are significantly worse"
)
RESAMPLES = 1999
RESAMPLES_PER_PAIR = 40
"""Resamples that bring the smallest p there can be below 0.05 after the correction."""


def emphasised(stored: Sequence[StoredRecord], *, reader: SampleReader) -> dict[str, str]:
    """``best`` or ``second`` by cell."""
    contests: dict[tuple[object, ...], list[StoredRecord]] = {}
    for one in stored:
        record = one.record
        if record.control == "none" and not record.limited and record.primary is not None:
            in_view = record.context != "none"
            key = (record.bench, record.fingerprint, record.model, in_view)
            contests.setdefault(key, []).append(one)
    found: dict[str, str] = {}
    for rows in contests.values():
        found |= _judge(rows, reader)
    return found


def _judge(rows: Sequence[StoredRecord], reader: SampleReader) -> dict[str, str]:
    ranked = sorted(rows, key=_mean, reverse=True)
    best = _not_told_apart(ranked, reader)
    if len(best) == len(ranked):
        return {}
    found = {one.record.cell: BEST for one in best}
    rest = ranked[len(best) :]
    if len(best) == 1 and len(rest) > 1 and len(_not_told_apart(rest, reader)) == 1:
        found[rest[0].record.cell] = SECOND
    return found


def _not_told_apart(ranked: Sequence[StoredRecord], reader: SampleReader) -> list[StoredRecord]:
    """The first of some rows in falling order, and those that cannot be told from it.

    A row above one that cannot be told from the first is not told from it either: so the rows are
    a head of the list.
    """
    leader, *others = ranked
    pairs = len(ranked) * len(others) // 2
    resamples = max(RESAMPLES, RESAMPLES_PER_PAIR * pairs)
    tests = [difference(one, leader, reader=reader, resamples=resamples) for one in others]
    # Holm over the leader's differences, and half as many times as there are rows: all pairs
    adjusted = [p * len(ranked) / 2 for p in holm([test.p for test in tests])]
    tied = [i for i, p in enumerate(adjusted, 1) if p >= 1 - LEVEL]
    return list(ranked[: max(tied, default=0) + 1])


def _mean(one: StoredRecord) -> float:
    return one.record.metrics[one.record.primary_metric].mean
