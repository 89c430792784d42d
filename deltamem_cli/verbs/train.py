"""``deltamem train``: an adapter for a frozen backbone, resumably."""

from __future__ import annotations

from typing import Any

from deltamem_base.counts import counted
from deltamem_cli.launched import speaks
from deltamem_cli.options import Cfg, Json, Multirun, Overrides, Quiet, make_console
from deltamem_cli.runs.training import run_training

__all__ = ["train"]


def train(
    overrides: Overrides = None,
    multirun: Multirun = False,
    cfg: Cfg = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Train an adapter, or a baseline: deltamem train model=tiny writer=msw."""
    console = make_console(quiet=quiet, as_json=as_json)
    done = run_training(overrides or [], console=console, multirun=multirun, show=cfg)
    if done is None or not speaks():
        return
    summaries = done if multirun else [done]
    console.json({"rows": summaries} if multirun else done)
    for summary in summaries:
        console.result(_line(summary))
        console.wrote(summary["path"])
    chosen = [word for word in overrides or [] if word.startswith(("model", "method", "runtime"))]
    words = " ".join([*chosen, f"adapter={summaries[-1]['path']}", "context=none"])
    console.advise(f"deltamem eval {words} (asks with the history out of view)")


def _line(summary: dict[str, Any]) -> str:
    held = summary.get("held_out_em")
    words = [
        counted(summary.get("step", 0), "step"),
        f"loss {summary.get('loss', float('nan')):.4f}",
    ]
    words += [] if held is None else [f"held-out EM {held:.4f}"]
    return f"{summary['path']}: {', '.join(words)}"
