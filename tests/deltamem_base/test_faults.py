"""One sentence for a fault, whoever raised it."""

from __future__ import annotations

import pytest

from deltamem_base.faults import (
    CannotWrite,
    Fault,
    InvalidData,
    InvalidInput,
    NotFinite,
    Partial,
    Unavailable,
    check_choice,
    first_line,
)


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (OSError("  no such thing.\nTry again."), "no such thing"),
        (ValueError(""), "ValueError"),
        (ValueError(" \n "), "ValueError"),
        (KeyError("layers"), "KeyError('layers')"),
        (FileNotFoundError(2, "No such file", "x"), "[Errno 2] No such file: 'x'"),
    ],
)
def test_the_first_line_says_something(fault: Exception, line: str) -> None:
    assert first_line(fault) == line


def test_a_choice_is_refused_with_what_there_is_to_choose() -> None:
    check_choice("unit", "pair", ("message", "pair"))
    with pytest.raises(InvalidInput, match="^unit is 'word'; choose one of message, pair$"):
        check_choice("unit", "word", ("message", "pair"))


def test_exit_codes_are_those_of_the_design() -> None:
    codes = {kind: kind.exit_code for kind in Fault.__subclasses__()}
    assert {codes[k] for k in (InvalidInput, InvalidData)} == {2}
    assert codes[Unavailable] == 4
    assert codes[Partial] == 5
    assert {Fault.exit_code, codes[CannotWrite], codes[NotFinite]} == {1}
