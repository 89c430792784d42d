"""The difference of two runs: paired where both have their samples here, else of their intervals.

paired      deltamem_evaluations.metrics.paired on the primary metric, whole histories resampled
unpaired    b - a ± sqrt(h_a² + h_b²), h the longer arms of the two records' own intervals;
            wider than the paired one, because what questions have in common does not cancel
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from deltamem_evaluations.metrics.paired import Paired, compare_scores
from deltamem_evaluations.records.record import Record
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.collection import SampleReader

__all__ = ["Difference", "difference", "paired"]

STANDARD_ERRORS = 1.959963984540054
"""Half the width of a normal distribution's 95 % interval over its standard error."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """B minus A, in shares."""

    effect: float
    p: float
    """Two-sided."""
    paired: bool


def difference(
    a: StoredRecord, b: StoredRecord, *, reader: SampleReader, resamples: int
) -> Difference:
    """How far apart two runs of one protocol are in their primary metric."""
    found = paired([a, b], (0, 1), reader=reader, resamples=resamples)
    if found is not None:
        return Difference(effect=found.effect, p=found.p, paired=True)
    return _unpaired(a.record, b.record)


def paired(
    runs: Sequence[StoredRecord],
    which: tuple[int, int],
    *,
    reader: SampleReader,
    resamples: int | None = None,
    metric: str | None = None,
) -> Paired | None:
    """Run ``which[1]`` minus run ``which[0]``, on the samples of all of them.

    Args:
        runs: with their samples.
        which: places among the runs.
        reader: of samples.
        resamples: of the bootstrap; None is its own number.
        metric: None is the primary one.

    Returns:
        None where samples are not here, or the runs did not answer the same ones.
    """
    scores = [known for run in runs if (known := reader.scores(run, metric))]
    if len(scores) < len(runs) or any(s.keys() != scores[0].keys() for s in scores):
        return None
    a, b = (scores[i] for i in which)
    options = {} if resamples is None else {"resamples": resamples}
    return compare_scores(
        [a[name][1] for name in a],
        [b[name][1] for name in a],
        clusters=[a[name][0] for name in a],
        **options,
    )


def _unpaired(a: Record, b: Record) -> Difference:
    first, second = (r.metrics[r.primary_metric] for r in (a, b))
    effect = second.mean - first.mean
    arms = [max(m.mean - m.ci95[0], m.ci95[1] - m.mean) for m in (first, second)]
    error = math.hypot(*arms) / STANDARD_ERRORS
    if error > 0:
        p = math.erfc(abs(effect) / error / math.sqrt(2))
    else:
        # neither run varies between histories: what is left is the sign of each, as when paired
        units = min(m.clusters for m in (first, second))
        p = 1.0 if effect == 0 else min(1.0, 2.0 ** (1 - units))
    return Difference(effect=effect, p=p, paired=False)
