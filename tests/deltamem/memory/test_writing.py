"""A history of any length passes through one window's memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from child_environment import child_environment

HERE = Path(__file__).parent
SLACK = 4 << 20
"""Bytes by which a process may grow for its allocator's own reasons (0.3 MB seen). One hidden
vector for each of the 175,000 further tokens would be 11 MB, one state 45 MB."""


def test_eight_times_the_history_takes_no_more_memory() -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / "long_writing.py")],
        env=child_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    _, short, long, kept, size = json.loads(done.stdout)
    assert long - short < SLACK
    assert kept - long > size - 2 * SLACK
