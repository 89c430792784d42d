"""An evaluation as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_cli.runs.requests.backbone import BackboneRequest
from deltamem_cli.runs.requests.judge import judge_of
from deltamem_cli.runs.requests.method import MethodRequest
from deltamem_cli.runs.requests.weights import WeightsRequest
from deltamem_cli.settings.composed import Composed
from deltamem_cli.settings.identity import control_name, recorded
from deltamem_cli.settings.instantiate import build
from deltamem_cli.settings.run_key import deciding_settings

if TYPE_CHECKING:
    from deltamem_evaluations.benchmark import Benchmark
    from deltamem_evaluations.judging.endpoint import Endpoint

__all__ = ["Control", "EvaluationRequest"]


@dataclass(frozen=True, kw_only=True)
class Control:
    """A change of the memory that shows where a score comes from."""

    name: str
    """Option of ``control=`` that has these parts, else the parts."""
    writes: str
    """The history that is written: ``own``, ``foreign``, ``nothing``, …"""
    state: str
    """The state that questions find: ``kept``, ``zero``, …"""

    @property
    def is_none(self) -> bool:
        """Whether nothing is changed."""
        return self.writes == "own" and self.state == "kept"


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """A method on a benchmark: everything that the command line and the yaml files say of it."""

    options: Mapping[str, str]
    """The chosen option of each group."""
    backbone: BackboneRequest
    method: MethodRequest
    weights: WeightsRequest
    benchmark: Benchmark
    """Not loaded yet."""
    protocol: str | None
    """Rules of the questions, where the benchmark has several."""
    context: str
    """``visible`` or ``none``: whether the history stays in the prompt."""
    control: Control
    seed: int
    limit: int | None
    """Only the first samples; None is all."""
    likelihood: bool
    """Whether the first reference of each question is weighed beside the answer."""
    judge: Endpoint | None
    """The model that judges the answers; None for nobody."""
    batch_size: int | str
    """Questions side by side, or ``auto``."""
    runs: Path
    results: Path | None
    """Folder that complete records are copied to; None for nowhere."""
    recorded: Mapping[str, object]
    """All settings as a record holds them."""
    deciding: Mapping[str, object]
    """The settings that decide an answer, by their whole names."""

    @classmethod
    def of(cls, composed: Composed) -> EvaluationRequest:
        """Read ``conf/eval.yaml``, once."""
        tree = composed.tree
        backbone = BackboneRequest.of(composed)
        results, benchmark = tree["results_dir"], build(tree["bench"])
        return cls(
            options=composed.options,
            backbone=backbone,
            method=MethodRequest.of(composed),
            weights=WeightsRequest.of(composed, backbone=backbone),
            benchmark=benchmark,
            protocol=tree["bench"].get("protocol"),
            context=str(tree["context"]["mode"]),
            control=Control(name=control_name(tree["control"]), **tree["control"]),
            seed=int(tree["seed"]),
            limit=tree["limit"],
            likelihood=bool(tree["likelihood"]),
            judge=judge_of(tree["judge"], benchmark),
            batch_size=tree["runtime"]["batch_size"],
            runs=Path(tree["runs_dir"]),
            results=None if results is None else Path(results),
            recorded=recorded(tree),
            deciding=deciding_settings(tree, "eval"),
        )
