"""How a verb ends when a signal comes at a bad moment."""

from __future__ import annotations

import signal
import time

import pytest

from deltamem_base.faults import Partial
from deltamem_cli.errors import PARTIAL
from deltamem_cli.exits import exit_with


@pytest.mark.parametrize(("number", "word"), [(2, "interrupted"), (15, "terminated")])
def test_a_signal_that_breaks_something_on_its_way(
    number: int, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A library that is stopped half-way may raise what it likes while it cleans up."""

    def broken() -> None:
        try:
            signal.raise_signal(number)
        finally:
            {}["no such name"]

    assert exit_with(broken) == 128 + number
    assert capsys.readouterr().err == f"error: {word}; run the same command again to go on\n"


def test_what_cannot_be_kept_when_a_signal_comes_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise Partial("no room") from None

    assert exit_with(full) == 130
    first, last = capsys.readouterr().err.splitlines()
    assert first == "error: no room"
    assert last.startswith("error: interrupted")


def test_a_fault_without_a_signal(capsys: pytest.CaptureFixture[str]) -> None:
    def full() -> None:
        raise Partial("no room")

    assert exit_with(full) == PARTIAL
    assert capsys.readouterr().err == "error: no room\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_within_a_destructor_ends_what_goes_on_behind_it(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    class Stopping:
        def __del__(self) -> None:
            signal.raise_signal(number)

    def go_on() -> None:
        left = Stopping()
        del left
        for _ in range(1000):
            time.sleep(0.01)

    assert exit_with(go_on) == 128 + number
    assert capsys.readouterr().err.endswith("run the same command again to go on\n")
