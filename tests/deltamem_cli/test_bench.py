"""``deltamem bench``: the list, and what is not on it. The figures are tested in timing/."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

from deltamem_cli.commands.bench import SUITES


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
    assert callable(import_module(f"deltamem_cli.timing.{name}").figures)
