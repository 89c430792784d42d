"""``deltamem show``: what an evaluation or a training would see, without a model."""

from __future__ import annotations

from collections import Counter
from typing import Any

from deltamem_cli.errors import UsageError
from deltamem_cli.runs.build import context_mode
from deltamem_cli.screen.console import Console
from deltamem_cli.screen.prompt_preview import WITHHELD, first_prompt, print_prompt
from deltamem_cli.screen.training_preview import show_training
from deltamem_cli.settings.compose import choices, run_config
from deltamem_cli.settings.instantiate import build, check_types
from deltamem_cli.verbs.options import Json, Overrides, make_console

__all__ = ["show"]


def show(overrides: Overrides = None, as_json: Json = False) -> None:
    """Show what an evaluation would ask, without a model: deltamem show bench=locomo.

    With training=NAME it shows what a training would learn from.
    """
    console, words = make_console(as_json=as_json), overrides or []
    if any(word.startswith(("training=", "training.")) for word in words):
        show_training(words, console=console)
        return
    run_config("eval", lambda config: _show(config, console), words)


def _show(config: Any, console: Console) -> None:
    """Print protocol, fingerprint, counts, groups, and the first prompt with what is written.

    Raises:
        UsageError: settings that leave nothing to ask.
    """
    check_types(config)
    benchmark = build(config.bench)
    benchmark.load()
    samples = benchmark.samples()
    if not samples:
        raise UsageError("with these settings the benchmark asks nothing")
    groups = Counter(group for sample in samples for group in sample.groups)
    if benchmark.confidential:
        console.note("note: the questions of this benchmark must not be printed")
        prompt = WITHHELD
    else:
        _note_what_differs(config, console)
        prompt = first_prompt(config, benchmark, console)
    content = {
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
    console.result(f"samples      {content['samples']} about {content['histories']} histories")
    console.result("groups       " + ", ".join(f"{name} {n}" for name, n in groups.items()))
    console.result(f"decoding     {content['first']['decoding']}")
    console.result(f"\nfirst sample: {samples[0].id}, context={context_mode(config)}")
    print_prompt(prompt, console)


def _note_what_differs(config: Any, console: Console) -> None:
    """Say where the chosen method or control does other than what is printed."""
    named = choices()
    if config.control.writes != "own":
        console.note(f"note: control={named['control']} writes none of what follows")
    elif not config.method.needs_adapter:
        kept = config.method.state
        console.note(
            f"note: method={named['method']} writes nothing; it keeps of a history: {kept}"
        )
    if config.method.get("write_answers"):
        console.note("note: the question and the answer write, too, after what follows")
    if context_mode(config) not in ("visible", "none"):
        console.note("note: the whole history is printed; the method shows a part of it")
