"""``deltamem chat``: through a pipe, at a terminal, and with whatever can go wrong."""

from __future__ import annotations

import io
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from child_environment import child_environment
from model_folders import change_json, model_folder

from deltamem.backbone import tiny_folder

CHAT = [sys.executable, "-m", "deltamem_cli", "chat"]
ENDLESS = 10**6
"""Tokens of an answer, and of a window, that no machine is through with before a test goes on."""
ENVIRONMENT = child_environment(TERM="dumb")


def pipe(content: bytes) -> io.TextIOWrapper:
    """Standard input from a pipe, whatever encoding the machine has."""
    return io.TextIOWrapper(io.BytesIO(content), encoding="ascii")


@pytest.fixture
def chat(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """``chat("line", …, words=[…])`` in this process, through a pipe."""

    def call(*lines: str, words: tuple[str, ...] = ("writer=msw",)) -> Any:
        monkeypatch.setattr(sys, "stdin", pipe("\n".join(lines).encode()))
        return cli("chat", *words)

    return call


def test_json_is_one_document(chat: Callable[..., Any]) -> None:
    done = chat(
        "Today Ada is in Oslo.",
        "",
        "/context off",
        "//memory",
        "/quit",
        "never said",
        words=("writer=msw", "--json"),
    )
    assert done.code == 0, done.err
    content = json.loads(done.out)
    assert content["model"] == "tiny"
    assert [turn["user"] for turn in content["turns"]] == ["Today Ada is in Oslo.", "/memory"]
    assert [turn["context"] for turn in content["turns"]] == ["visible", "none"]
    assert content["turns"][0]["finish"] == "stop"
    assert content["turns"][0]["assistant"]


def test_commands(chat: Callable[..., Any]) -> None:
    done = chat(
        "/help",
        "/memory",
        "Today Ada is in Oslo.",
        "/memory",
        "/save deep/talk.dmstate",
        "/save deep/talk",
        "/forget",
        "/memory",
        "/load deep/talk",
        "/memory",
    )
    assert done.code == 0, done.err
    assert "/context on|off" in done.out
    assert done.out.count("4,096 bytes, 0 turns, 0 tokens written") == 2
    assert done.out.count("4,096 bytes, 1 turn,") == 2
    assert done.out.count("the last turn:") == 2
    assert "| 3     | 0.000 | 0.000          | 0.000                  |" in done.out
    assert Path("deep/talk.dmstate").is_file()
    assert "read deep/talk.dmstate: 1 turn, 2 messages" in done.err
    going_on = chat("/memory", words=("writer=msw", "state=deep/talk.dmstate"))
    assert "4,096 bytes, 1 turn," in going_on.out


@pytest.mark.parametrize(
    ("lines", "words", "code", "sentence"),
    [
        (["/sav x"], (), 2, "no command /sav (did you mean /save?); choose one of /context"),
        (["/save"], (), 2, "/save needs the name of a file"),
        (["/context maybe"], (), 2, "/context takes on or off, not 'maybe'"),
        (["/load nowhere"], (), 4, "there is no state file nowhere.dmstate"),
        (["/save in the way/x"], (), 1, "cannot be written"),
        (["/save there"], (), 2, "there.dmstate exists and holds something else"),
        (["/load there"], (), 2, "there.dmstate is damaged or not a state file"),
        (["word " * 3000], (), 2, "make it shorter"),
        ([], ("decoding.temperature=-1",), 2, "decoding.temperature is -1; it must be at least 0"),
        ([], ("decoding.top=1",), 2, "there is no setting 'decoding.top'"),
        ([], ("context=auto",), 2, "context=auto takes its value from a setting"),
        ([], ("system=3",), 2, "system is 3"),
        ([], ("adapter=nowhere",), 4, "there is no adapter folder nowhere"),
        ([], ("state=nowhere",), 4, "there is no state file nowhere.dmstate"),
        ([], ("bench=recall",), 2, "'bench"),
    ],
    ids=lambda value: " ".join(value)[:30] if isinstance(value, list | tuple) else "",
)
def test_bad_input_is_one_sentence(
    lines: list[str], words: tuple[str, ...], code: int, sentence: str, chat: Callable[..., Any]
) -> None:
    Path("in the way").write_text("a file")
    Path("there.dmstate").write_text("no state")
    done = chat(*lines, "Where is Ada today?", words=("writer=msw", *words))
    assert done.code == code, done.err
    assert sentence in done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    assert Path("there.dmstate").read_text() == "no state"


def test_bytes_that_are_no_text(cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", pipe("/help\nWo ist Jörg?\n".encode("latin-1")))
    done = cli("chat", "writer=msw")
    assert done.code == 2
    assert "the input, line 2, character 9: the byte 0xf6 is not UTF-8" in done.err


class Terminal:
    """A process at a terminal of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        ours, theirs = pty.openpty()
        self.descriptor, self.seen = ours, ""
        self.process = subprocess.Popen(
            [*CHAT, *words],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=folder,
            env=ENVIRONMENT,
            start_new_session=True,
        )
        os.close(theirs)

    def wait_for(self, text: str) -> str:
        """What came up to and including ``text``."""
        while text not in self.seen:
            try:
                self.seen += os.read(self.descriptor, 4096).decode(errors="replace")
            except OSError:  # the other end is closed
                pytest.fail(f"ended with: {self.seen}")
        before, _, self.seen = self.seen.partition(text)
        return before + text

    def type(self, line: str) -> None:
        os.write(self.descriptor, f"{line}\n".encode())

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def modes(self) -> list[Any]:
        """How the terminal is set."""
        return termios.tcgetattr(self.descriptor)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *fault: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.descriptor)


@pytest.fixture
def endless(tmp_path: Path) -> tuple[str, ...]:
    """Settings of the tiny backbone with a window in which a rambling answer does not end."""
    folder = model_folder(tmp_path / "endless")
    change_json(folder, "config.json", {"max_position_embeddings": ENDLESS})
    return (
        "model=hf",
        f"model.id={folder}",
        f"adapter={tiny_folder() / 'adapters' / 'msw'}",
        "writer=msw",
        f"decoding.max_new_tokens={ENDLESS // 2}",
    )


def test_a_memory_outlives_its_process(tmp_path: Path, endless: tuple[str, ...]) -> None:
    """Ctrl-C within an answer undoes the turn, and at the prompt it ends the conversation.

    What is typed within an answer is not mixed into it, and waits for the next prompt. What was
    saved answers in another process, which leaves its terminal as it was, even when it is killed.
    """
    with Terminal(tmp_path, *endless) as terminal:
        terminal.wait_for("/help lists the commands")
        terminal.wait_for("> ")
        terminal.type("zzzz")  # the tiny backbone does not find an end to that
        terminal.wait_for("zzzz\r\n")
        answer = terminal.wait_for("zzzz")
        terminal.type("Today Ada is in Oslo.")
        answer += terminal.wait_for("zzzzzzzz")
        terminal.send(signal.SIGINT)
        answer += terminal.wait_for("interrupted; the conversation is as it was before this line")
        assert "Oslo" not in answer
        terminal.wait_for("> Today Ada is in Oslo.\r\n")
        terminal.wait_for("\n> ")
        terminal.type("/nothing")
        terminal.wait_for("there is no command /nothing")
        terminal.type("/context off")
        terminal.type("Where is Ada today?")
        terminal.wait_for("Today Ada is in Oslo.\r\n")
        terminal.type("/memory")
        terminal.wait_for("4,096 bytes, 2 turns,")
        terminal.type("/save talk --no-text")
        terminal.wait_for("wrote talk.dmstate")
        terminal.wait_for("\n> ")
        terminal.send(signal.SIGINT)
        terminal.wait_for("what was not saved is lost")
        assert terminal.process.wait() == 130
    assert b"Oslo" not in (tmp_path / "talk.dmstate").read_bytes()
    with Terminal(tmp_path, *endless, "context=none") as terminal:
        found = terminal.modes()
        terminal.wait_for("\n> ")
        terminal.type("/load talk")
        terminal.wait_for("its text was left out")
        terminal.type("Where is Ada today?")
        terminal.wait_for("\r\nToday Ada is in Oslo.\r\n")
        terminal.wait_for("> ")
        terminal.type("/forget")
        terminal.wait_for("/forget\r\n")
        terminal.wait_for("> ")
        terminal.type("zzzz")
        terminal.wait_for("zzzz\r\n")
        terminal.wait_for("zzzz")
        assert not terminal.modes()[3] & termios.ECHO
        terminal.send(signal.SIGTERM)
        terminal.wait_for("terminated")
        assert terminal.process.wait() == 143
        assert terminal.modes() == found
