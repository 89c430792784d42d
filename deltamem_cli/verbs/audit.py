"""``deltamem audit``: does anything leak between the samples of an evaluation?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from deltamem_base.downloads import told_of_downloads
from deltamem_cli.errors import OK, VERDICT_NOT_MET, UsageError
from deltamem_cli.options import Json, Overrides, Quiet, make_console
from deltamem_cli.runs.build import assemble_method, load_backbone
from deltamem_cli.runs.chosen_weights import choose_weights
from deltamem_cli.runs.headline import announce_evaluation
from deltamem_cli.runs.requests import EvaluationRequest
from deltamem_cli.screen.console import Console
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.job import run_config

if TYPE_CHECKING:
    from deltamem_evaluations.audit.audit import Finding
    from deltamem_evaluations.sample import Sample

__all__ = ["audit"]

SAMPLES = 4
PASSED = {"pass": True, "FAIL": False, "----": None}
"""The value of a verdict in JSON; null is not checked."""


def audit(
    overrides: Overrides = None,
    limit: Annotated[
        Optional[int],
        typer.Option("--limit", min=2, help="Number of histories to check; 4 by default."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check that nothing leaks between samples: deltamem audit bench=recall."""
    console = make_console(quiet=quiet, as_json=as_json)

    def run(composed: Composed) -> int:
        return _audit(EvaluationRequest.of(composed), console, limit or SAMPLES)

    raise typer.Exit(run_config("eval", run, overrides or []))


def _audit(request: EvaluationRequest, console: Console, samples: int) -> int:
    """Run the checks on the first questions of a few histories; the exit code is the verdict.

    Raises:
        UsageError: settings that leave nothing to ask.
    """
    from deltamem_evaluations.audit.audit import PAIRED
    from deltamem_evaluations.audit.audit import audit as run_audit
    from deltamem_evaluations.audit.gold import can_tell

    benchmark = request.benchmark
    with told_of_downloads(console.note):
        benchmark.load()
    if not benchmark.samples():
        raise UsageError(
            "with these settings the benchmark has no questions, so there is nothing to audit"
        )
    backbone = load_backbone(request.backbone, console)
    with told_of_downloads(console.note):
        chosen = choose_weights(request.weights, fingerprint=backbone.fingerprint)
    method = assemble_method(request, backbone, chosen=chosen)
    first = {s.history_id: s for s in reversed(benchmark.samples())}
    few = list(reversed(first.values()))[:samples]
    announce_evaluation(
        console, request, backbone, described=method.describe(), chosen=chosen, samples=len(few)
    )
    found = run_audit(
        benchmark,
        method,
        few,
        count_tokens=lambda h: len(backbone.render_history(h.messages, join=h.join).ids),
        seed=request.seed,
    )
    unchecked: list[str] = []
    if len(few) < 2:
        unchecked += PAIRED
        console.note(f"note: there is only one history, so {' and '.join(PAIRED)} are not checked")
    if not can_tell(benchmark, few):
        unchecked.append("gold")
        console.note(
            "note: all samples have the same reference, and the prompt holds it: gold is not "
            "checked"
        )
    _say(found, few, unchecked, console)
    return VERDICT_NOT_MET if found else OK


def _say(
    found: Sequence[Finding], few: Sequence[Sample], unchecked: Sequence[str], console: Console
) -> None:
    """Print a verdict for each check, and the findings."""
    from deltamem_evaluations.audit.audit import CHECKS

    verdicts = dict.fromkeys(CHECKS, "pass") | dict.fromkeys(unchecked, "----")
    verdicts |= dict.fromkeys((finding.check for finding in found), "FAIL")
    console.json(
        {
            "samples": [sample.id for sample in few],
            "checks": [{"name": name, "passed": PASSED[verdicts[name]]} for name in CHECKS],
            "findings": [vars(finding) for finding in found],
            "passed": not found,
        }
    )
    for name, meaning in CHECKS.items():
        console.result(f"{verdicts[name]}  {name:11} {meaning}")
    for finding in found:
        console.result(f"  {finding.check}: sample {finding.sample}: {finding.what}")
