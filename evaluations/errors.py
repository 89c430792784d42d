"""Faults of data, runs and records: one sentence each, with the exit code of the verb."""

from __future__ import annotations

__all__ = [
    "CannotWrite",
    "DataUnavailable",
    "EvaluationError",
    "InvalidData",
    "InvalidSetting",
    "Partial",
]


class EvaluationError(Exception):
    """A fault that one sentence explains. ``exit_code`` is what a command ends with."""

    exit_code = 1


class InvalidSetting(EvaluationError, ValueError):
    """A value or combination that makes no sense; the message names it and the choices."""

    exit_code = 2


class InvalidData(EvaluationError, ValueError):
    """A file of the wrong shape; the message names the file and the line or row."""

    exit_code = 2


class DataUnavailable(EvaluationError):
    """Data that is not on this machine; the message says how to get it."""

    exit_code = 4


class CannotWrite(EvaluationError):
    """A file that cannot be written: a full disk, a folder without permission."""


class Partial(EvaluationError):
    """A run that ended early and goes on when the same command is run again."""

    exit_code = 5
