"""Where the output goes: encodings that lack letters, readers that leave, a hub that is away."""

from __future__ import annotations

import io
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from child_environment import child_environment

from deltamem_cli.screen.console import Console

SHOW = ("show", "bench.dialogues=1", "bench.facts=[1,2]")
COMMAND = (sys.executable, "-m", "deltamem_cli")
FULL = "error: the output cannot be written (No space left on device)\n"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
@pytest.mark.parametrize(
    "words", [("--help",), ("train", "--help"), SHOW, (*SHOW, "--json")], ids=" ".join
)
def test_an_encoding_that_lacks_our_letters(
    words: tuple[str, ...], encoding: str, tmp_path: Path
) -> None:
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=tmp_path,
        env=child_environment(PYTHONIOENCODING=encoding),
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    text = done.stdout.decode(encoding)
    if "--json" in words:
        assert json.loads(text)["samples"]
    elif words == ("--help",):
        assert "\\u03b4-mem" in text


@pytest.mark.parametrize("words", [SHOW, ("list",), ("show", "training=recall"), ("--help",)])
def test_a_reader_that_leaves_ends_it_quietly(words: tuple[str, ...], tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)  # gone before the first letter, so that every write meets a closed pipe
    try:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=tmp_path,
            env=child_environment(),
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        os.close(writing)
    assert done.returncode == 128 + signal.SIGPIPE
    assert done.stderr == ""


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A line of the shell in which `$D` is the program."""
    return subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=child_environment(D=shlex.join(COMMAND)),
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("$D list >&-", 128 + signal.SIGPIPE, ""),
        ("$D list <&- >&- 2>&-", 128 + signal.SIGPIPE, ""),
        ("$D --help >&-", 128 + signal.SIGPIPE, ""),
        ("$D list >/dev/full", 1, FULL),
        ("$D list --json >/dev/full", 1, FULL),
        ("$D --help >/dev/full", 1, FULL),
        ("$D list nothing 2>&-", 2, ""),
        ("$D list nothing 2>/dev/full", 2, ""),
        ("$D chat model=tiny -q <&-", 0, ""),
    ],
)
def test_streams_that_are_closed_or_full(line: str, code: int, said: str, tmp_path: Path) -> None:
    done = shell(line, tmp_path)
    assert (done.returncode, done.stderr) == (code, said)


def test_a_closed_stream_gives_its_number_to_no_file(tmp_path: Path) -> None:
    """What a library prints there must not end up in the samples."""
    words = "bench.dialogues=1 bench.facts=[1] bench.kinds=[single_hop] context=none"
    done = shell(f"$D eval model=tiny {words} -q <&- >&- 2>&-", tmp_path)
    assert done.returncode == 128 + signal.SIGPIPE
    (samples,) = tmp_path.glob("runs/*/samples.jsonl")
    assert [json.loads(line)["id"] for line in samples.read_text().splitlines()]


def test_a_bar_shows_text_and_obeys_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of histories are text of files: no escape sequence, and no markup of rich."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("CI", raising=False)
    with Console().progress("[bold]a\x1b]0;title\x07") as tick:
        tick(1, 2, "[/nothing]\x1b[2J")
    shown = screen.getvalue()
    assert "[bold]a\\u001b]0;title\\u0007" in shown
    assert "\x1b]0;" not in shown
    assert "\x1b[2J" not in shown


def test_a_hub_that_is_away_is_known_at_once(tmp_path: Path) -> None:
    words = ("show", "training=qasper_8192")
    away = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0"}
    done = subprocess.run(
        [*COMMAND, *words],
        cwd=tmp_path,
        env=child_environment(**away, HF_HOME=str(tmp_path), DELTAMEM_DATA=str(tmp_path)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 4
    assert done.stderr == (
        "error: allenai/qasper is not on this machine and cannot be fetched (the hub does not "
        "answer): run `deltamem fetch` where there is a network, or give a copy with "
        "training.data.path=FILE\n"
    )
