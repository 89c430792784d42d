"""What of a history did not reach the model: in every row of a run, and in words for a footnote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from evaluations.method import Answer, LookedUp, WriteReport

__all__ = ["loss_fields", "loss_notes"]


def loss_fields(written: WriteReport, answer: Answer) -> dict[str, Any]:
    """Fields of a row: tokens that were cut, and units that were shown or left out of view.

    Units are null where a method looks nothing up.
    """
    units = answer if isinstance(answer, LookedUp) else None
    return {
        "cut_side": written.cut_side,
        "cut_tokens": written.cut_tokens,
        "recalled_units": None if units is None else units.recalled_units,
        "dropped_units": None if units is None else units.dropped_units,
    }


def loss_notes(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """One sentence for each kind of loss: in how many rows, and on average how much of how much."""
    cut = [row for row in rows if row["cut_side"] is not None]
    if cut:
        lost = _mean(row.get("cut_tokens", 0) for row in cut)
        whole = lost + _mean(row["shown_tokens"] for row in cut)
        yield (
            f"the history did not fit in view for {len(cut)} of {len(rows)} samples: of those, "
            f"on average {lost:,.0f} of {whole:,.0f} tokens were cut"
        )
    unlearnt = [row for row in rows if row["cut_side"] is None and row.get("cut_tokens")]
    if unlearnt:
        lost = _mean(row["cut_tokens"] for row in unlearnt)
        yield (
            f"text was too long to be learnt whole for {len(unlearnt)} of {len(rows)} samples: of "
            f"those, on average {lost:,.0f} tokens were cut"
        )
    short = [row for row in rows if row.get("dropped_units")]
    if short:
        lost = _mean(row["dropped_units"] for row in short)
        whole = lost + _mean(row["recalled_units"] for row in short)
        yield (
            f"what was looked up did not fit in view for {len(short)} of {len(rows)} samples: of "
            f"those, on average {lost:,.1f} of {whole:,.1f} units were dropped"
        )


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
