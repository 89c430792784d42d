"""Faults of a command line, and the exit codes of all verbs."""

from __future__ import annotations

from deltamem_base.faults import Fault

__all__ = ["FAULT", "MISSING", "OK", "PARTIAL", "USAGE", "VERDICT_NOT_MET", "UsageError"]

OK, FAULT, USAGE, VERDICT_NOT_MET, MISSING, PARTIAL = range(6)
"""0 ok, 1 fault, 2 usage, 3 finished but not met, 4 missing data or model, 5 partial, resumable."""


class UsageError(Fault):
    """A command that makes no sense; the message names the value and the choices."""

    exit_code = USAGE
