"""``model=<TAB>`` in a real shell, and what other shells are answered."""

from __future__ import annotations

import os
import pty
import select
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from child_environment import child_environment

PROGRAM = """#!{python}
import sys
from deltamem_cli.app import main
try:
    main()
finally:
    heavy = {{"torch", "hydra", "omegaconf", "numpy"}} & set(sys.modules)
    if heavy:
        open("heavy", "w").write(" ".join(sorted(heavy)))
"""
BELL = "\a"
"""What readline sounds where more than one word is possible."""
SECONDS = 120
"""After which a shell that does not answer has failed."""


@pytest.fixture
def environment(in_folder: Path) -> Mapping[str, str]:
    """A folder with a program ``deltamem`` that is found, and tells what it has imported."""
    program = in_folder / "bin" / "deltamem"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable), encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {
        **child_environment(),
        "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}",
        "TERM": "dumb",
        "PS1": "",
        "INPUTRC": os.devnull,
        "HISTFILE": os.devnull,
    }


def typed_in_bash(keys: str, *, until: str, environment: Mapping[str, str]) -> str:
    """What an interactive bash shows when keys are typed, up to the text that is waited for."""
    ours, theirs = pty.openpty()
    shell = subprocess.Popen(
        ["bash", "--norc", "--noprofile", "-i"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=dict(environment),
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    try:
        os.write(ours, b'eval "$(_DELTAMEM_COMPLETE=source_bash deltamem)"; echo rea""dy\n')
        for wanted, then in (("ready\r\n", keys), (until, "")):
            while wanted not in shown:
                assert select.select([ours], [], [], SECONDS)[0], shown
                shown += os.read(ours, 4096).decode().replace(BELL, "")
            shown = shown.partition(wanted)[2] if then else shown
            os.write(ours, then.encode())
        return shown
    finally:
        shell.kill()
        shell.wait()
        os.close(ours)


@pytest.mark.parametrize(
    ("keys", "until"),
    [
        ("deltamem eval model=ti\t", "model=tiny "),
        ("deltamem eval bench=hot\t", "bench=hotpotqa "),
        ("deltamem train trainin\t", "training="),
    ],
)
def test_tab_completes_in_bash(keys: str, until: str, environment: Mapping[str, str]) -> None:
    assert until in typed_in_bash(keys, until=until, environment=environment)
    assert not Path("heavy").exists()


def answered(shell: str, line: str, environment: Mapping[str, str]) -> list[str]:
    asked = {
        "_DELTAMEM_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        ["deltamem"], capture_output=True, text=True, check=True, env={**environment, **asked}
    )
    return done.stdout.split()


def test_zsh_and_fish_are_given_whole_words(environment: Mapping[str, str]) -> None:
    assert answered("fish", "deltamem eval writer=", environment) == [
        "writer=msw",
        "writer=ssw",
        "writer=tsw",
    ]
    assert "writer=ssw" in "".join(answered("zsh", "deltamem eval writer=s", environment))
    assert not Path("heavy").exists()
