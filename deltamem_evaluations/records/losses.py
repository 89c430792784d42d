"""How much of a history did not reach the model, in words for a footnote."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from deltamem_evaluations.records.sample_line import SampleLine

__all__ = ["loss_notes", "unweighed_notes"]


def loss_notes(lines: Sequence[SampleLine]) -> Iterator[str]:
    """Sentences, one for each kind of loss: in how many lines, and on average how much."""
    cut = [line for line in lines if line.cut_side is not None]
    if cut:
        lost = _mean(line.cut_tokens for line in cut)
        whole = lost + _mean(line.shown_tokens for line in cut)
        yield (
            f"the history did not fit in view for {len(cut)} of {len(lines)} samples: of those, "
            f"on average {lost:,.0f} of {whole:,.0f} tokens were cut"
        )
    unlearnt = [line for line in lines if line.cut_side is None and line.cut_tokens]
    if unlearnt:
        lost = _mean(line.cut_tokens for line in unlearnt)
        yield (
            f"text was too long to be learnt whole for {len(unlearnt)} of {len(lines)} samples: of "
            f"those, on average {lost:,.0f} tokens were cut"
        )
    short = [line for line in lines if line.dropped_units]
    if short:
        lost = _mean(line.dropped_units or 0 for line in short)
        whole = lost + _mean(line.recalled_units or 0 for line in short)
        yield (
            f"what was looked up did not fit in view for {len(short)} of {len(lines)} samples: of "
            f"those, on average {lost:,.1f} of {whole:,.1f} units were dropped"
        )


def unweighed_notes(lines: Iterable[SampleLine]) -> Iterator[str]:
    """A sentence where references were to be weighed and were not."""
    with_one = [line for line in lines if "".join(line.references[:1]).strip()]
    missing = sum(line.reference_nll is None for line in with_one)
    if not with_one:
        yield "there is no reference whose log-probability could be measured"
    elif missing == len(with_one):
        yield "the log-probability of the references is not measured: the method cannot tell it"
    elif missing:
        yield (
            f"the log-probability of the reference is not measured for {missing} of "
            f"{len(with_one)} questions: it does not fit the window, or is infinite"
        )


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
