"""``deltamem demo``: the whole toolkit on the embedded backbone, without a download."""

from __future__ import annotations

from typing import Any

from deltamem_cli.demo.recall import demo_recall
from deltamem_cli.demo.table1 import demo_table
from deltamem_cli.errors import UsageError
from deltamem_cli.settings.compose import run_config
from deltamem_cli.settings.instantiate import check_types
from deltamem_cli.verbs.options import Json, Overrides, Quiet, make_console

__all__ = ["demo"]


def demo(
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """See the whole toolkit work on the embedded backbone, without a download."""
    console = make_console(quiet=quiet, as_json=as_json)
    settings = run_config("demo", _checked, overrides or [])
    show = demo_recall if settings.table is None else demo_table
    show(settings, console=console)


def _checked(config: Any) -> Any:
    check_types(config)
    if config.table not in (None, 1):
        raise UsageError(f"table is {config.table}; there is table=1, or leave it out")
    return config
