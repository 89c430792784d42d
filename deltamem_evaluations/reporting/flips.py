"""Which questions a memory fixed and which it broke: pairs of runs, sample by sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deltamem_base.excerpts import in_a_line
from deltamem_evaluations.comparison import Flip, flips
from deltamem_evaluations.records.stored import StoredRecord
from deltamem_evaluations.reporting.attribution import Attribution, bare_backbone, is_bare
from deltamem_evaluations.reporting.collection import SampleReader
from deltamem_evaluations.reporting.naming import row_names

__all__ = ["MOST", "WITHHELD", "Pair", "flip_pairs"]

MOST = 500
"""Fixed samples of a pair that are shown, and broken ones."""
LONGEST = 400
"""Characters of a question or an answer that are shown."""
WITHHELD = "[withheld: the benchmark's texts must not be published]"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two runs and the samples on which their scores differ."""

    a: str
    """The cell that is compared with."""
    b: str
    who: str
    """The row of B."""
    bench: str
    what: str
    """The difference between the two runs, in words."""
    fixed: int
    broken: int
    total: int
    """Samples that both answered."""
    shown: Sequence[Flip]
    """The largest differences: fixed first."""


def flip_pairs(
    stored: Sequence[StoredRecord], attributions: Sequence[Attribution], *, reader: SampleReader
) -> list[Pair]:
    """Each run beside the bare backbone, and one with a state beside its first control as well.

    Args:
        stored: all records of the report.
        attributions: theirs; they say which runs are controls of each other.
        reader: of samples.
    """
    names = row_names([one.record for one in stored])
    controls: dict[str, tuple[StoredRecord, str]] = {}
    for part in attributions:
        if part.other is not None:
            controls.setdefault(part.own.record.cell, (part.other, part.control))
    found = []
    for own in stored:
        if own.record.control != "none" or is_bare(own.record):
            continue
        others = [(bare_backbone(own, stored), "the bare backbone → with memory")]
        if own.record.cell in controls:
            other, control = controls[own.record.cell]
            others.append((other, f"{control} state → own state"))
        who = " ".join(names[own.record.cell]).strip()
        found += [_pair(other, own, what, who, reader) for other, what in others if other]
    return [pair for pair in found if pair is not None]


def _pair(
    a: StoredRecord, b: StoredRecord, what: str, who: str, reader: SampleReader
) -> Pair | None:
    one, other = reader.run(a), reader.run(b)
    if one is None or other is None:
        return None
    found = flips(one, other)
    fixed = [flip for flip in found if flip.effect > 0]
    broken = sorted((f for f in found if f.effect < 0), key=lambda flip: flip.effect)
    return Pair(
        a=a.record.cell,
        b=b.record.cell,
        who=who,
        bench=b.record.bench,
        what=what,
        fixed=len(fixed),
        broken=len(broken),
        total=len(one.lines.keys() & other.lines.keys()),
        shown=[_shown(flip) for flip in (*fixed[:MOST], *broken[:MOST])],
    )


def _shown(flip: Flip) -> Flip:
    """Cut to what fits a page. Of a confidential question neither it nor its answers are shown."""
    if flip.question is None:
        return replace(flip, question=WITHHELD, a="", b="")
    return replace(
        flip,
        question=in_a_line(flip.question, longest=LONGEST),
        references=[in_a_line(text, longest=LONGEST) for text in flip.references],
        a=in_a_line(flip.a, longest=LONGEST),
        b=in_a_line(flip.b, longest=LONGEST),
    )
