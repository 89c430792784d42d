"""``deltamem bench``: the list, and what is not on it; figures are tested beside speed/."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from deltamem_cli.screen.console import Console
from deltamem_cli.speed.alternate import LeftOut, figure
from deltamem_cli.speed.suites import SUITES, show_figures


def test_lists_what_there_is(cli: Callable[..., Any]) -> None:
    done = cli("bench")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == list(SUITES)
    rows = json.loads(cli("bench", "--json").out)["rows"]
    assert [row["name"] for row in rows] == list(SUITES)


def test_anything_else_is_a_usage_error(cli: Callable[..., Any]) -> None:
    done = cli("bench", "sacn")
    assert done.code == 2
    assert "'sacn'" in done.err
    assert all(name in done.err for name in SUITES)


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_is_a_module_with_figures(name: str) -> None:
    assert callable(import_module(f"deltamem_cli.speed.{name}").figures)


@pytest.mark.parametrize("as_json", [False, True])
def test_what_a_machine_cannot_give_is_named(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    left_out = LeftOut(names=("scan.a", "scan.b"), reason="there is no GPU")
    made = figure("scan.c", [1.0, 2.0, 3.0], "one over another")
    show_figures([left_out, made], console=Console(as_json=as_json))
    out, err = capsys.readouterr()
    assert err == "left out scan.a, scan.b: there is no GPU\n"
    if as_json:
        found = json.loads(out)
        assert found["left_out"] == [{"names": ["scan.a", "scan.b"], "reason": "there is no GPU"}]
        assert [one["name"] for one in found["figures"]] == ["scan.c"]
    else:
        assert out.split() == ["scan.c", "2", "1", "to", "3", "one", "over", "another"]
