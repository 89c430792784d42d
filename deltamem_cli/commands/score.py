"""``deltamem score``: score stored answers again, without a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deltamem_cli.compose import run_config
from deltamem_cli.console import Console
from deltamem_cli.instantiate import build, check_types

__all__ = ["score"]


def score(run: Path, overrides: Sequence[str], *, console: Console) -> None:
    """Compute the metrics of a run anew; both scorers' numbers stay in its record.

    Args:
        run: its folder.
        overrides: such as ``bench.path=FILE``, where the data is not found by itself.
        console: prints.
    """
    from evaluations.record import RECORD, read_record, write_json
    from evaluations.rescore import rescore
    from evaluations.store import read_samples

    record = read_record(run / RECORD)
    rows = read_samples(run)
    words = [f"bench={record.bench}", *_settings(record.config["bench"]), *overrides]

    def load(config: Any) -> Any:
        check_types(config)
        benchmark = build(config.bench)
        benchmark.load()
        return benchmark

    scored = rescore(record, rows, run_config("eval", load, words))
    path = write_json(run / RECORD, scored.to_json())
    entry = scored.extra["rescored"][-1]
    console.json(scored.to_json())
    for name, metric in entry["metrics"].items():
        before = record.metrics.get(name)
        was = "not scored before" if before is None else f"{before['mean']:.4f} in the record"
        console.result(f"{name}: {metric['mean']:.4f} ({was}; {metric['n']} answers)")
    if entry["fingerprint"] != record.fingerprint:
        console.note("note: the protocol or the data differs from the run's")
    console.wrote(path)


def _settings(bench: dict[str, Any]) -> list[str]:
    """The benchmark's settings as the run had them; a file's folder is not in a record."""
    kept = {k: v for k, v in bench.items() if k not in ("_target_", "path") and v is not None}
    return [f"bench.{key}={_word(value)}" for key, value in kept.items()]


def _word(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ",".join(_word(v) for v in value) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
