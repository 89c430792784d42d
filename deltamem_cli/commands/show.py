"""``deltamem show``: what an evaluation would do, without a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from deltamem_cli.compose import run_config
from deltamem_cli.console import Console
from deltamem_cli.instantiate import build, check_types

__all__ = ["show"]

EXCERPT = 1200
"""Characters of a long history that are shown of its start and its end."""


def show(overrides: Sequence[str], *, console: Console) -> None:
    """Print protocol, fingerprint, groups and the first question of a benchmark."""
    run_config("eval", lambda config: _show(config, console), overrides)


def _show(config: Any, console: Console) -> None:
    check_types(config)
    benchmark = build(config.bench)
    benchmark.load()
    samples = benchmark.samples()
    first = samples[0]
    history = benchmark.history(first.history_id)
    groups = Counter(group for sample in samples for group in sample.groups)
    console.json(
        {
            "protocol": dict(benchmark.protocol()),
            "fingerprint": benchmark.fingerprint(),
            "data": vars(benchmark.data()),
            "samples": len(samples),
            "histories": len({sample.history_id for sample in samples}),
            "groups": dict(groups),
            "first": {"id": first.id, "question": first.question, "history": history.messages},
        }
    )
    console.result(f"fingerprint  {benchmark.fingerprint()}")
    for name, value in benchmark.protocol().items():
        console.result(f"{name:12} {value}")
    console.result(f"data         {vars(benchmark.data())}")
    console.result(f"samples      {len(samples)}")
    console.result("groups       " + ", ".join(f"{name} {n}" for name, n in groups.items()))
    console.result(f"\nfirst sample: {first.id}, decoded {vars(benchmark.decoding(first))}")
    console.result(_excerpt("\n".join(f"{m['role']}: {m['content']}" for m in history.messages)))
    console.result(f"question: {first.question}")


def _excerpt(text: str) -> str:
    if len(text) <= 2 * EXCERPT:
        return text
    left = len(text) - 2 * EXCERPT
    return f"{text[:EXCERPT]}\n[... {left:,} characters ...]\n{text[-EXCERPT:]}"
