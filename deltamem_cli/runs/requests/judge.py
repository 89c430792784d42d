"""Which model judges the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deltamem_cli.errors import UsageError

if TYPE_CHECKING:
    from deltamem_evaluations.benchmark import Benchmark
    from deltamem_evaluations.judging.endpoint import Endpoint

__all__ = ["judge_of"]


def judge_of(settings: Mapping[str, Any], benchmark: Benchmark[Any]) -> Endpoint | None:
    """The endpoint that judges the answers to a benchmark; None where none was named.

    Raises:
        UsageError: an address without a model or the reverse, or a benchmark without a judge.
        InvalidInput: an address that is none, or that holds a key.
    """
    from deltamem_evaluations.benchmark import Benchmark
    from deltamem_evaluations.judging.endpoint import Endpoint

    url, model = settings["url"], settings["model"]
    if url is None and model is None:
        return None
    if url is None or model is None:
        raise UsageError(
            "a judge needs both judge.url=ADDRESS and judge.model=NAME; only "
            + ("judge.model" if url is None else "judge.url")
            + " was given"
        )
    if type(benchmark).ask_judge is Benchmark.ask_judge:
        raise UsageError(
            "the answers to this benchmark are scored by rule and have no judge: leave out "
            "judge.url and judge.model"
        )
    pace = {name: settings[name] for name in ("tries", "wait", "seconds")}
    return Endpoint(url=url, model=model, **pace)
