"""A table is as wide as the terminal, and whole where it goes to a file."""

from __future__ import annotations

import os
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from simulated_runs import simulate
from terminal import read_to_end

NARROW = 80
COMPARE = (sys.executable, "-m", "deltamem_cli", "compare")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two runs whose table of differences has ten columns."""
    folder = tmp_path_factory.mktemp("project")
    a, b = (
        simulate(folder, [[score, 1.0]] * 12, method=method, bench="hotpotqa", groups=("bridge",))
        for method, score in (("frozen", 0.0), ("delta_mem", 1.0))
    )
    return str(a.file.parent), str(b.file.parent)


def on_a_terminal(command: tuple[str, ...], folder: Path, columns: int) -> str:
    """What a command prints on a terminal of so many columns."""
    main, side = os.openpty()
    termios.tcsetwinsize(side, (24, columns))
    env = {name: value for name, value in os.environ.items() if name not in ("CI", "COLUMNS")}
    with subprocess.Popen(command, stdout=side, stderr=subprocess.PIPE, cwd=folder, env=env) as run:
        os.close(side)
        said = read_to_end(main)
        _, err = run.communicate()
    assert run.returncode == 0, err
    return said


def test_a_narrow_terminal_shows_a_table_in_parts(runs: tuple[str, str], tmp_path: Path) -> None:
    command = (*COMPARE, *runs)
    shown = on_a_terminal(command, tmp_path, NARROW)
    rows = [line for line in shown.splitlines() if line.startswith("|")]
    assert max(map(len, rows)) <= NARROW
    assert shown.count("| metric | group") == 2
    assert "fixed/broken" in shown

    piped = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True).stdout
    assert piped.count("| metric | group") == 1
    assert on_a_terminal(command, tmp_path, 2 * NARROW) == piped
