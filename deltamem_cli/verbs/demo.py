"""``deltamem demo``: a frozen model answers from its memory, the embedded one or another."""

from __future__ import annotations

from deltamem_cli.demo.recall import demo_recall
from deltamem_cli.demo.table1 import demo_table
from deltamem_cli.options import Json, Overrides, Quiet, make_console
from deltamem_cli.runs.launching import check_alone
from deltamem_cli.runs.requests import DemoRequest
from deltamem_cli.settings.job import run_config

__all__ = ["demo"]


def demo(
    overrides: Overrides = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """See a frozen model answer from its memory: deltamem demo [model=smollm2-135m]."""
    check_alone()
    console = make_console(quiet=quiet, as_json=as_json)
    request: DemoRequest = run_config("demo", DemoRequest.of, overrides or [])
    show = demo_recall if request.table is None else demo_table
    show(request, console=console)
    console.advise(
        "deltamem chat writer=msw (tell it something, then /context off, and ask)",
        "deltamem train writer=ssw (an adapter of your own)",
    )
