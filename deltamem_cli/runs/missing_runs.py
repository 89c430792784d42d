"""The command that makes a run like another one: again, under a control, or without a memory."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from deltamem_cli.settings.from_record import choices_of, eval_words
from deltamem_cli.settings.groups import method_settings, options
from deltamem_cli.settings.recorded_settings import RecordedSettings

if TYPE_CHECKING:
    from deltamem_evaluations.records.record import Record

__all__ = ["benchmark_words", "eval_command"]

UNKNOWN = "adapter=FOLDER"


def eval_command(record: Record, what: str) -> str:
    """The ``deltamem eval`` that makes a run, with only what differs from the yaml files.

    Args:
        record: of the run.
        what: a control, or ``reference`` for the bare backbone.

    Raises:
        InvalidData: a record that holds anything but options and plain values of their settings.
    """
    from deltamem_evaluations.reporting.attribution import REFERENCE

    parts = ["bench", "model"]
    if what == REFERENCE:
        chosen = {**choices_of(record, ("bench", "model", "context")), "method": _bare_backbone()}
        words = []
    else:
        chosen = choices_of(record, ("bench", "model", "method", "writer", "context"))
        words = [*_adapter(record), f"control={what}"]
        parts.append("method")
    words = [*eval_words(record, chosen, parts=parts), *words, f"seed={record.seed:d}"]
    if record.limited:
        words.append(f"limit={record.n.expected:d}")
    command = "deltamem eval " + " ".join(map(shlex.quote, words))
    sha = (record.weights_sha or "")[:8]
    return f"{command} (FOLDER: adapter @{sha})" if UNKNOWN in words else command


def benchmark_words(record: Record) -> list[str]:
    """Words of ``deltamem eval`` for the questions of a run: what, by which rules, how seen.

    Raises:
        InvalidData: a record that holds anything but options and plain values of their settings.
    """
    chosen = choices_of(record, ("bench", "context"))
    return list(map(shlex.quote, eval_words(record, chosen, parts=("bench", "seed"))))


def _bare_backbone() -> str:
    from deltamem_evaluations.reporting.attribution import REFERENCE

    return next(name for name in options("method") if method_settings(name).family == REFERENCE)


def _adapter(record: Record) -> list[str]:
    """The adapter that was named or released; of a folder a record knows no more than its name."""
    settings = RecordedSettings.of(record)
    named = settings.adapter
    weights = record.provenance.weights
    released = settings.released.get(str(record.writer))
    chosen = None if weights is None else weights.chosen
    if chosen == "released" or (named is not None and named == released):
        return ["adapter=${model.adapters." + str(record.writer) + "}"]
    return [] if named is None else [UNKNOWN]
