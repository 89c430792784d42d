"""A scoring of stored answers as it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.runs.requests.judge import judge_of
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.instantiate import build

if TYPE_CHECKING:
    from deltamem_evaluations.benchmark import Benchmark
    from deltamem_evaluations.judging.endpoint import Endpoint

__all__ = ["ScoringRequest"]


@dataclass(frozen=True, kw_only=True)
class ScoringRequest:
    """The benchmark of a run, and where the copy of its record lies."""

    benchmark: Benchmark
    """Not loaded yet."""
    results: Path | None
    """Folder that complete records were copied to; None for nowhere."""
    judge: Endpoint | None
    """The model that judges the answers; None for nobody."""

    @classmethod
    def of(cls, composed: Composed) -> ScoringRequest:
        """Read the part of ``conf/eval.yaml`` that scoring depends on, once."""
        tree = composed.tree
        results = tree["results_dir"]
        benchmark = build(tree["bench"])
        return cls(
            benchmark=benchmark,
            results=None if results is None else Path(results),
            judge=judge_of(tree["judge"], benchmark),
        )
