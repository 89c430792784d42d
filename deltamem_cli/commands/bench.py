"""``deltamem bench``: how fast it is, in ratios that one run on this machine gives."""

from __future__ import annotations

from importlib import import_module

from deltamem_cli.console import Console
from deltamem_cli.denormals import flushed_denormals
from deltamem_cli.errors import UsageError

__all__ = ["SUITES", "bench"]

SUITES = {
    "scan": "the delta rule over many tokens, against the token-by-token loop and its floor",
    "train": "an optimiser step, against one without a scan and one with the token-by-token loop",
    "decode": "tokens per second with a memory, against the bare model",
    "eval": "one history and many questions: written once, asked side by side",
}
"""What there is to measure: modules of deltamem_cli.timing, each with ``figures(tick)``."""


def bench(what: str | None, *, console: Console) -> None:
    """Measure one suite and print its figures, or list the suites.

    Raises:
        UsageError: there is no suite of that name.
    """
    if what is None:
        console.json({"rows": [{"name": name, "about": about} for name, about in SUITES.items()]})
        for name, about in SUITES.items():
            console.result(f"{name:8}{about}")
        return
    if what not in SUITES:
        raise UsageError(f"nothing to measure by '{what}'; choose one of {', '.join(SUITES)}")
    module, rows = import_module(f"deltamem_cli.timing.{what}"), []
    with flushed_denormals(), console.progress(f"bench {what}") as tick:
        for found in module.figures(tick):
            rows.append(vars(found))
            low, high = (_shown(x) for x in found.spread)
            ratio, spread = _shown(found.ratio), f"{low} to {high}"
            console.result(f"{found.name:26}{ratio:>8}  {spread:18}{found.setting}")
    console.json({"figures": rows})


def _shown(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"
