"""The command that makes a run like another one: again, under a control, or without a memory."""

from __future__ import annotations

import json
import shlex
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from deltamem_cli.settings.compose import compose_each, method_settings, options
from deltamem_cli.settings.identity import leaves, plain

if TYPE_CHECKING:
    from evaluations.records.record import Record

__all__ = ["benchmark_words", "eval_command"]

OURS = ("adapter", "context", "control", "limit", "method", "seed", "writer")
"""Parts of a config that are said by other words."""
UNKNOWN = "adapter=FOLDER"


def eval_command(record: Record, what: str) -> str:
    """Words of ``deltamem eval``: only what differs from the settings of the yaml files.

    Args:
        record: of the run.
        what: a control, or ``reference`` for the bare backbone.
    """
    from evaluations.reporting.attribution import REFERENCE

    words = [f"bench={record.bench}", f"model={record.model}"]
    if what == REFERENCE:
        words.append(f"method={_bare_backbone()}")
    else:
        words += [f"method={record.method}", f"writer={record.writer}", *_adapter(record)]
        words.append(f"control={what}")
    words += [f"context={record.context}", f"seed={record.seed}"]
    words += _differing(record, tuple(words[:2]), parts=("bench", "model"))
    if what != REFERENCE:
        # without the control, for the record has none
        said = [w for w in words if not w.startswith(("adapter=", "control="))]
        words += _differing(record, tuple(said), parts=("method",))
    if record.limited:
        words.append(f"limit={record.n['expected']}")
    command = "deltamem eval " + " ".join(map(shlex.quote, words))
    return (
        f"{command} (FOLDER: adapter @{(record.weights_sha or '')[:8]})"
        if UNKNOWN in words
        else command
    )


def benchmark_words(record: Record) -> list[str]:
    """Words of ``deltamem eval`` for the questions of a run: what, by which rules, how seen."""
    bench = f"bench={record.bench}"
    differing = _differing(record, (bench,), parts=("bench", "seed"))
    return [shlex.quote(word) for word in (bench, f"context={record.context}", *differing)]


def _bare_backbone() -> str:
    from evaluations.reporting.attribution import REFERENCE

    return next(name for name in options("method") if method_settings(name).family == REFERENCE)


def _adapter(record: Record) -> list[str]:
    """The adapter that was named or released; of a folder a record knows no more than its name."""
    named = record.config.get("adapter")
    known = record.provenance.get("weights") or {}
    released = record.config.get("model", {}).get("adapters", {}).get(record.writer)
    if known.get("chosen") == "released" or (named is not None and named == released):
        return ["adapter=${model.adapters." + str(record.writer) + "}"]
    return [] if named is None else [UNKNOWN]


@lru_cache(maxsize=64)
def _usual(words: tuple[str, ...]) -> dict[str, Any]:
    return plain(compose_each("eval", [words])[0])


def _differing(record: Record, words: tuple[str, ...], *, parts: tuple[str, ...]) -> list[str]:
    """Settings of some parts of a record's config that are not those of the yaml files."""
    usual = _usual(words)
    found = []
    for part in parts:
        ours = dict(leaves({part: record.config.get(part, {})}))
        for key, value in leaves({part: usual.get(part, {})}):
            if key in ours and ours[key] != value:
                found.append(f"{key}={_value(ours[key])}")
    return found


def _value(value: Any) -> str:
    """As Hydra reads it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
