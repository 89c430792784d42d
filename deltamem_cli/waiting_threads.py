"""Threads of torch that have nothing to do: asleep, so that others can work."""

from __future__ import annotations

import os

__all__ = ["ASLEEP", "let_threads_sleep"]

ASLEEP = {"OMP_WAIT_POLICY": "PASSIVE"}
"""OpenMP's threads sleep at its barriers; it reads this once, when torch is loaded."""
OWN = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables by which a user says how they wait."""


def let_threads_sleep() -> None:
    """Have this process and those it starts wait so, unless the user chose something.

    By default they spin some hundred thousand times. Where another process holds the core of the
    thread that all wait for, the one that spins takes the very time that it waits for.
    """
    if not any(name in os.environ for name in OWN):
        os.environ.update(ASLEEP)
