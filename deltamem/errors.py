"""What a user can mend: one sentence each, with the exit code of the verb."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "CannotWrite",
    "DeltaMemError",
    "InvalidInput",
    "NotFinite",
    "Partial",
    "Unavailable",
    "check_choice",
]


class DeltaMemError(Exception):
    """A fault that one sentence explains. ``exit_code`` is what a command ends with."""

    exit_code = 1


class InvalidInput(DeltaMemError, ValueError):
    """A value, file or combination that cannot be used; the message names it and the choices."""

    exit_code = 2


class Unavailable(DeltaMemError):
    """Weights, data or a token that are not on this machine; the message says how to get them."""

    exit_code = 4


class CannotWrite(DeltaMemError):
    """A file that cannot be written: a full disk, a folder without permission."""


class NotFinite(DeltaMemError):
    """NaN or infinity where an answer was to come from; no number can be made of it."""

    of_one_prompt = True
    """Whether one prompt of a batch is at fault, and would be so alone."""


class Partial(DeltaMemError):
    """A run that ended early; the message says from where the same command goes on."""

    exit_code = 5


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a ``value`` that is not among ``choices``, naming both.

    Raises:
        InvalidInput: with the name of the setting, its value and what there is to choose from.
    """
    if value not in choices:
        raise InvalidInput(f"{name} is '{value}'; choose one of {', '.join(choices)}")
