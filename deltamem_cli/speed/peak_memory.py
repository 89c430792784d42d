"""The most memory that tensors take while something runs."""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["peak_bytes"]


def peak_bytes(work: Callable[[], object]) -> int:
    """Bytes of tensors at the highest point of ``work``, beyond what was there before it.

    From every allocation and release that torch's profiler sees on the CPU.
    """
    # or the profiler writes when it starts and stops; it reads this when it is first used
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as run:
        work()
    results = run.profiler.kineto_results if run.profiler is not None else None
    assert results is not None
    now = peak = 0
    for event in results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak
