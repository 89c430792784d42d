"""A scoring of stored answers as it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.instantiate import build

if TYPE_CHECKING:
    from evaluations.benchmark import Benchmark

__all__ = ["ScoringRequest"]


@dataclass(frozen=True, kw_only=True)
class ScoringRequest:
    """The benchmark of a run, and where the copy of its record lies."""

    benchmark: Benchmark
    """Not loaded yet."""
    results: Path | None
    """Folder that complete records were copied to; None for nowhere."""

    @classmethod
    def of(cls, composed: Composed) -> ScoringRequest:
        """Read the part of ``conf/eval.yaml`` that scoring depends on, once."""
        tree = composed.tree
        results = tree["results_dir"]
        return cls(
            benchmark=build(tree["bench"]), results=None if results is None else Path(results)
        )
