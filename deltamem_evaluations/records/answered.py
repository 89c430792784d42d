"""From a method's report and answer to the line that is stored."""

from __future__ import annotations

from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.method import Answer, LookedUp, SizedReport, WriteReport, WritingAnswer
from deltamem_evaluations.records.origins import Origin
from deltamem_evaluations.records.sample_line import SampleLine
from deltamem_evaluations.sample import Decoding, Sample
from deltamem_evaluations.thinking import whole

__all__ = ["line_of"]


def line_of(
    benchmark: Benchmark,
    sample: Sample,
    answer: Answer,
    written: WriteReport,
    *,
    decoding: Decoding,
    reference_nll: float | None,
    share: int,
    key: str,
    origin: Origin,
) -> SampleLine:
    """The stored line of one answer.

    Args:
        benchmark: scores the answer.
        sample: the question.
        answer: what the method said, and what it cost.
        written: the report on the history before the question.
        decoding: how the answer was decoded.
        reference_nll: nats a token of the first reference; None where it was not weighed.
        share: number of questions among which the seconds of writing are divided.
        key: of the run.
        origin: the process that made the answer.
    """
    prediction = whole(answer.text, opened=answer.opened_thinking)
    units = answer if isinstance(answer, LookedUp) else None
    return SampleLine(
        key=key,
        origin=origin,
        id=sample.id,
        history_id=sample.history_id,
        groups=sample.groups,
        question=None if benchmark.confidential else sample.question,
        asked=None if benchmark.confidential else sample.asked,
        metadata=sample.metadata,
        references=sample.references,
        prediction=prediction,
        scores=benchmark.score(sample, prediction),
        reference_nll=reference_nll,
        finish=answer.finish,
        decoding=decoding,
        prompt_tokens=answer.prompt_tokens,
        new_tokens=answer.new_tokens,
        original_tokens=written.original_tokens,
        read_tokens=written.read_tokens,
        shown_tokens=written.shown_tokens,
        written_tokens=written.written_tokens,
        answer_written_tokens=answer.written_tokens if isinstance(answer, WritingAnswer) else 0,
        cut_side=written.cut_side,
        cut_tokens=written.cut_tokens,
        recalled_units=None if units is None else units.recalled_units,
        dropped_units=None if units is None else units.dropped_units,
        state_bytes=written.state_bytes if isinstance(written, SizedReport) else None,
        write_seconds=written.seconds / share,
        answer_seconds=answer.seconds,
    )
