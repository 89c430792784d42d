"""Faults that a user can mend: one sentence each, with the exit code of the verb they end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

__all__ = [
    "CannotWrite",
    "Fault",
    "InvalidData",
    "InvalidInput",
    "NotFinite",
    "Partial",
    "Unavailable",
    "check_choice",
    "first_line",
]


class Fault(Exception):
    """A fault that one sentence explains; anything else that is raised is a fault of ours."""

    exit_code: ClassVar[int] = 1
    """Exit code of a command that ends with this fault."""


class InvalidInput(Fault, ValueError):
    """A value, a combination or a model that cannot be used; the message names the choices."""

    exit_code = 2


class InvalidData(Fault, ValueError):
    """A file of the wrong shape; the message names the file and the line or row."""

    exit_code = 2


class Unavailable(Fault):
    """Weights, data or a token that are not on this machine; the message says how to get them."""

    exit_code = 4


class CannotWrite(Fault):
    """A file that cannot be written: a full disk, a folder without permission."""

    remedy: str = "make it writable"
    """The next step, to go before "and run the same command again"."""


class NotFinite(Fault):
    """NaN or infinity where an answer was to come from; no number can be made of it."""

    of_one_prompt = True
    """Whether one prompt of a batch is at fault, and would be so alone."""


class Partial(Fault):
    """A run that ended early and goes on when the same command is run again."""

    exit_code = 5


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a ``value`` that is not among ``choices``, naming both.

    Raises:
        InvalidInput: with the name of the setting, its value and what there is to choose from.
    """
    if value not in choices:
        raise InvalidInput(f"{name} is '{value}'; choose one of {', '.join(choices)}")


def first_line(said: BaseException | str) -> str:
    """The first line of a library's message, for a sentence of ours.

    A message that says nothing by itself, as the key of a KeyError, comes with its type.
    """
    if isinstance(said, KeyError):
        return repr(said)
    lines = str(said).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(said).__name__
