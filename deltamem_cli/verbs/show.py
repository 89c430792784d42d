"""``deltamem show``: what an evaluation or a training would see, without a model."""

from __future__ import annotations

from collections import Counter
from typing import Any

from deltamem_base.counts import counted
from deltamem_base.downloads import told_of_downloads
from deltamem_cli.errors import UsageError
from deltamem_cli.options import Json, Overrides, make_console
from deltamem_cli.runs.requests import EvaluationRequest
from deltamem_cli.screen.console import Console
from deltamem_cli.screen.prompt_preview import WITHHELD, first_prompt, print_prompt
from deltamem_cli.screen.training_preview import show_training
from deltamem_cli.settings.job import run_config

__all__ = ["show"]


def show(overrides: Overrides = None, as_json: Json = False) -> None:
    """Show what an evaluation would ask, without a model: deltamem show bench=locomo.

    With training=NAME it shows what a training would learn from.
    """
    console, words = make_console(as_json=as_json), overrides or []
    if any(word.startswith(("training=", "training.")) for word in words):
        show_training(words, console=console)
        return
    run_config("eval", lambda composed: _show(EvaluationRequest.of(composed), console), words)


def _show(request: EvaluationRequest, console: Console) -> None:
    """Print protocol, fingerprint, counts, groups, and the first prompt with what is written.

    Raises:
        UsageError: settings that leave nothing to ask.
    """
    benchmark = request.benchmark
    with told_of_downloads(console.note):
        benchmark.load()
    samples = benchmark.samples()
    if not samples:
        raise UsageError("with these settings the benchmark has no questions")
    groups = Counter(group for sample in samples for group in sample.groups)
    if benchmark.confidential:
        console.note("note: the questions of this benchmark must not be printed")
        prompt = WITHHELD
    else:
        _note_what_differs(request, console)
        prompt = first_prompt(request, console)
    content: dict[str, Any] = {
        "fingerprint": benchmark.fingerprint(),
        "protocol": dict(benchmark.protocol()),
        "data": vars(benchmark.data()),
        "samples": len(samples),
        "histories": len({sample.history_id for sample in samples}),
        "groups": dict(groups),
        "first": {"id": samples[0].id, "decoding": vars(benchmark.decoding(samples[0])), **prompt},
    }
    console.json(content)
    console.result(f"fingerprint  {content['fingerprint']}")
    for name, value in content["protocol"].items():
        console.result(f"{name:12} {value}")
    data = {name: value for name, value in content["data"].items() if value}
    console.result("data         " + ", ".join(f"{k} {v}" for k, v in data.items()))
    console.result(
        f"samples      {content['samples']} about {counted(content['histories'], 'history')}"
    )
    console.result("groups       " + ", ".join(f"{name} {n}" for name, n in groups.items()))
    console.result(f"decoding     {content['first']['decoding']}")
    console.result(f"\nfirst sample: {samples[0].id}, context={request.context}")
    print_prompt(prompt, console)


def _note_what_differs(request: EvaluationRequest, console: Console) -> None:
    """Say where the chosen method or control does other than what is printed."""
    method = request.method
    if request.control.writes != "own":
        console.note(f"note: control={request.control.name} writes nothing of what follows")
    elif not method.needs_adapter:
        console.note(
            f"note: method={method.name} writes nothing; it keeps of a history: {method.keeps}"
        )
    if method.writes_answers:
        console.note("note: after what follows, the tokens of question and answer are written, too")
    if request.context not in ("visible", "none"):
        console.note(
            "note: the whole history is printed; the method puts only a part into the prompt"
        )
