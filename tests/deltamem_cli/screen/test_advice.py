"""What to do next is said to a person at a terminal, and to nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from terminal import read_to_end

RUN = (
    *(sys.executable, "-m", "deltamem_cli", "eval", "method=frozen", "context=none", "limit=1"),
    *("bench.dialogues=1", "bench.facts=[1]", "bench.kinds=[single_hop]"),
)
ADVICE = "next: deltamem compare"


def test_an_evaluation_ends_with_the_next_command_on_a_terminal(tmp_path: Path) -> None:
    main, side = os.openpty()
    env = {name: value for name, value in os.environ.items() if name != "CI"} | {"TERM": "xterm"}
    with subprocess.Popen(
        RUN, stdout=subprocess.PIPE, stderr=side, cwd=tmp_path, env=env, text=True
    ) as run:
        os.close(side)
        said = read_to_end(main)
        out, _ = run.communicate()
    assert run.returncode == 0, said
    assert ADVICE in said
    assert ADVICE not in out


def test_nobody_is_advised_where_no_person_reads(tmp_path: Path) -> None:
    done = subprocess.run(RUN, capture_output=True, cwd=tmp_path, text=True)
    assert done.returncode == 0, done.stderr
    assert "wrote runs/" in done.stderr
    assert ADVICE not in done.stderr + done.stdout
