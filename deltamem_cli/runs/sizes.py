"""Sizes of a run: the numbers that its method trains, and the questions that go side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deltamem_cli.errors import UsageError
from deltamem_cli.runs.requests import MethodRequest
from deltamem_cli.settings.instantiate import made_by

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from deltamem import DeltaMemConfig
    from deltamem.backbone import Backbone
    from deltamem_evaluations.benchmark import Benchmark

__all__ = ["batch_size", "trained_parameters"]

CHARS_PER_TOKEN = 3
"""Fewer than in most texts, so that the estimate errs on the side of memory."""
ROOM = 1024
"""Tokens of a question and its answer."""


def trained_parameters(
    method: MethodRequest, model: PreTrainedModel, *, memory: DeltaMemConfig | None = None
) -> int:
    """Numbers that a method trains beside a model, be it beforehand or for each history.

    Args:
        method: any.
        model: the backbone, which may be on the meta device.
        memory: layout of the adapter, for δ-mem.
    """
    if memory is not None:
        from deltamem import DeltaMemory

        return DeltaMemory(memory, model).trained_parameters
    node = method.arguments if method.learner is None else method.learner
    count = getattr(made_by(node), "trained_parameters", None)
    if count is None:
        return 0
    settings = {key: value for key, value in node.items() if key != "_target_"}
    return int(count(model, **settings))


def batch_size(size: int | str, benchmark: Benchmark, backbone: Backbone) -> int:
    """The configured one, or for ``auto`` what fits with the longest prompt of the benchmark.

    Raises:
        UsageError: neither a number from 1 on nor ``auto``.
    """
    from deltamem.backbone import fitting_batch

    if isinstance(size, int) and size >= 1:
        return size
    if size != "auto":
        raise UsageError(f"runtime.batch_size is {size}; use a number of at least 1, or auto")
    return fitting_batch(backbone, tokens=lambda: _longest_prompt(benchmark, backbone.window))


def _longest_prompt(benchmark: Benchmark, window: int) -> int:
    """Tokens of the longest history with a question, estimated from characters."""
    names = dict.fromkeys(sample.history_id for sample in benchmark.samples())
    lengths = (benchmark.history(name).chars for name in names)
    return min(max(lengths, default=0) // CHARS_PER_TOKEN + ROOM, window)
