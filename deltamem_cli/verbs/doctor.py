"""``deltamem doctor [train|eval] KEY=VALUE...``: what a run needs, without loading a weight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Optional

import typer

from deltamem_cli.errors import MISSING, OK, UsageError
from deltamem_cli.options import Json, make_console
from deltamem_cli.runs.needs import Findings, examine
from deltamem_cli.runs.requests import EvaluationRequest, TrainingRequest
from deltamem_cli.settings.job import run_config

__all__ = ["KINDS", "doctor"]

KINDS = ("eval", "train")


def doctor(
    words: Annotated[
        Optional[list[str]],
        typer.Argument(
            metavar="[train|eval] [KEY=VALUE]...",
            help="A verb (eval by default) and its settings.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a run needs and what is missing: deltamem doctor train model=qwen3-4b."""
    console = make_console(as_json=as_json)
    kind, settings = _kind(words or [])
    request = EvaluationRequest if kind == "eval" else TrainingRequest
    found: Findings = run_config(kind, lambda composed: examine(request.of(composed)), settings)
    console.json({"kind": kind, "facts": found.facts, "missing": found.missing})
    width = max(map(len, found.facts))
    for name, value in found.facts.items():
        console.result(f"{name:{width}}  {value}")
    for sentence in found.missing:
        console.result(f"missing: {sentence}")
    if not found.missing:
        console.result("nothing is missing")
    raise typer.Exit(MISSING if found.missing else OK)


def _kind(words: Sequence[str]) -> tuple[str, list[str]]:
    if words and "=" not in words[0]:
        if words[0] not in KINDS:
            raise UsageError(f"doctor examines {' or '.join(KINDS)}, not '{words[0]}'")
        return words[0], list(words[1:])
    return KINDS[0], list(words)
