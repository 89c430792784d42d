"""Two threads against one, spinning at their barriers or asleep (waiting_threads.py).

On an idle machine two are faster. What is asked is how much slower they are on a busy one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

from deltamem_cli.speed.alternate import Figure, figure
from deltamem_cli.waiting_threads import ASLEEP

__all__ = ["figures"]

KINDS: Mapping[str, Mapping[str, str]] = {
    "one": {"OMP_NUM_THREADS": "1"},
    "default": {"OMP_NUM_THREADS": "2"},
    "asleep": {"OMP_NUM_THREADS": "2", **ASLEEP},
}
"""Variables of each process; the second is what OpenMP does by itself."""


def figures(tick: Callable[[int, int], None], *, rounds: int = 7) -> Iterator[Figure]:
    """threads.default and threads.asleep: wall time of two threads over that of one.

    Args:
        tick: progress of what is being timed.
        rounds: turns of each.
    """
    with ExitStack() as stack:
        works = {name: stack.enter_context(_process(own)) for name, own in KINDS.items()}
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in works}
        for turn in range(rounds):
            for number, (name, process) in enumerate(works.items(), 1):
                times[name].append(_turn(process))
                tick(turn * len(works) + number, rounds * len(works))
        for process in works.values():
            process.communicate()
    load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    for name in ("default", "asleep"):
        both = list(zip(times[name], times["one"], strict=True))
        how = "as OpenMP waits by itself" if name == "default" else "asleep while they wait"
        for kind, place in (("wall", 0), ("process", 1)):
            ratios = [two[place] / one[place] for two, one in both]
            setting = f"{kind} time of two threads, {how}, over one thread, {load}"
            yield figure(f"threads.{name}.{kind}", ratios, setting)


def _process(own: Mapping[str, str]) -> subprocess.Popen[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_", "KMP_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "deltamem_cli.speed.thread_work"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **own},
    )


def _turn(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Wall and process seconds of one turn."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    wall, used = map(float, process.stdout.readline().split())
    return wall, used
