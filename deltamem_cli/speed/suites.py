"""The suites of measurements, and their figures as they are printed."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from deltamem_cli.errors import UsageError
from deltamem_cli.runs.flush_to_zero import flush_to_zero
from deltamem_cli.screen.console import Console
from deltamem_cli.speed.alternate import Figure, LeftOut

__all__ = ["SUITES", "measure", "show_figures"]

SUITES = {
    "scan": "the delta rule over many tokens, against the token-by-token loop and its floor",
    "train": "an optimiser step, against one without a scan and one with the token-by-token loop",
    "decode": "tokens per second with a memory, against the bare model",
    "eval": "one history and many questions: written once, asked side by side",
    "peers": "the frozen model on real prompts, against lm-eval's loop",
    "threads": "two threads on this machine as it is now, against one",
}
"""Modules of deltamem_cli.speed that measure something, each with ``figures(tick)``."""


WITH_DATA = {"eval": "LoCoMo's locomo10.json", "peers": "IFEval's official JSONL"}
"""Suites that take a file of real data, and which."""


def measure(suite: str, *, console: Console, data: Path | None = None) -> None:
    """Measure one suite and print its figures.

    Args:
        suite: one of :data:`SUITES`.
        console: shows them.
        data: a file of real data for one of :data:`WITH_DATA`.

    Raises:
        UsageError: there is no suite of that name, or it takes no file.
    """
    if suite not in SUITES:
        raise UsageError(f"there is no suite '{suite}'; choose one of {', '.join(SUITES)}")
    if data is not None and suite not in WITH_DATA:
        named = ", ".join(f"{name} takes {file}" for name, file in WITH_DATA.items())
        raise UsageError(f"'bench {suite}' takes no --data; {named}")
    module = import_module(f"deltamem_cli.speed.{suite}")
    given = {} if data is None else {"data": data}
    with flush_to_zero(), console.progress(f"bench {suite}") as tick:
        show_figures(module.figures(tick, **given), console=console)


def show_figures(found: Iterable[Figure | LeftOut], *, console: Console) -> None:
    """Print figures as they come, and name those that this machine cannot give."""
    rows, left_out = [], []
    for one in found:
        if isinstance(one, LeftOut):
            left_out.append(vars(one))
            console.note(f"left out {', '.join(one.names)}: {one.reason}")
            continue
        rows.append(vars(one))
        low, high = (_shown(x) for x in one.spread)
        ratio, spread = _shown(one.ratio), f"{low} to {high}"
        console.result(f"{one.name:26}{ratio:>8}  {spread:18}{one.setting}")
    console.json({"figures": rows, "left_out": left_out})


def _shown(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"
