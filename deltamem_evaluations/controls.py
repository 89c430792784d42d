"""Controls: is it memory at all? What is written is changed, everything else stays.

A gain that another sample's history gives as well comes from the adapter, not from the memory. The
controls ``zero`` and ``shuffled`` change the state itself and are the method's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from deltamem_base.faults import InvalidInput
from deltamem_evaluations.benchmark import Benchmark
from deltamem_evaluations.sample import History

__all__ = ["WRITES", "control_history"]


def _own(benchmark: Benchmark, history_id: str, order: Sequence[str]) -> History:
    return benchmark.history(history_id)


def _foreign(benchmark: Benchmark, history_id: str, order: Sequence[str]) -> History:
    """The history that follows this one in the benchmark, the first after the last."""
    if len(order) < 2:
        raise InvalidInput(
            "control=foreign writes another sample's history, and this benchmark has only one"
        )
    other = order[(order.index(history_id) + 1) % len(order)]
    own, foreign = benchmark.history(history_id), benchmark.history(other)
    system = tuple(m for m in own.messages[:1] if m["role"] == "system")
    rest = tuple(m for m in foreign.messages if m["role"] != "system")
    return replace(own, replaced=system + rest)


def _nothing(benchmark: Benchmark, history_id: str, order: Sequence[str]) -> History:
    return replace(benchmark.history(history_id), replaced=())


WRITES: dict[str, Callable[[Benchmark, str, Sequence[str]], History]] = {
    "own": _own,
    "foreign": _foreign,
    "nothing": _nothing,
}
"""Choices of a control: the sample's own history is written, another's, or nothing."""


def control_history(
    benchmark: Benchmark, history_id: str, *, writes: str, order: Sequence[str]
) -> History:
    """The history of one sample under a control.

    Args:
        benchmark: where histories come from.
        history_id: the sample's own.
        writes: a key of :data:`WRITES`.
        order: the ids of all histories of the benchmark.

    Raises:
        InvalidInput: an unknown choice, or no other history to take.
    """
    if writes not in WRITES:
        raise InvalidInput(f"control.writes is '{writes}'; choose one of {', '.join(WRITES)}")
    return WRITES[writes](benchmark, history_id, order)
