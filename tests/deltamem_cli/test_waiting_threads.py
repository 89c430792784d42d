"""Threads that wait sleep, before torch is there and unless a user says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

SAID = "import os, sys; from deltamem_cli.app import main; sys.argv[1:] = ['--help']\n"
SHOW = (
    "try:\n    main()\nfinally:\n"
    "    print('torch' in sys.modules, os.environ.get('OMP_WAIT_POLICY'), file=sys.__stdout__)\n"
)


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({}, "False PASSIVE"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "False ACTIVE"),
        ({"GOMP_SPINCOUNT": "7"}, "False None"),
        ({"KMP_BLOCKTIME": "7"}, "False None"),
    ],
    ids=str,
)
def test_the_policy_of_a_process(own: dict[str, str], wanted: str) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_W", "GOMP_", "KMP_"))}
    done = subprocess.run(
        [sys.executable, "-c", SAID + SHOW],
        env={**kept, "PYTHONPATH": os.pathsep.join(sys.path), **own},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1] == wanted
