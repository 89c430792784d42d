"""The prompt of ``deltamem chat``: lines in, streamed answers out, and commands with a slash."""

from __future__ import annotations

import difflib
import itertools
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_base.counts import counted
from deltamem_base.faults import Fault
from deltamem_cli.errors import OK, UsageError
from deltamem_cli.exits import Stopped
from deltamem_cli.screen.console import Console
from deltamem_cli.screen.keyboard import Keyboard
from deltamem_cli.screen.memory_tables import state_table, turn_table

if TYPE_CHECKING:
    from deltamem.conversation.conversation import Conversation

__all__ = ["ChatPrompt"]

SUFFIX = ".dmstate"
CONTEXTS = {"on": "visible", "off": "none"}
WITHOUT_TEXT = "--no-text"
HELP = {
    "/context on|off": "off: only the memory holds what was said; on: the prompt does, too",
    "/memory": "show what the memory holds, by layer, and what the last turn changed",
    "/save FILE [--no-text]": "store state and conversation, or only the state, in FILE.dmstate",
    "/load FILE": "continue from a stored state",
    "/forget": "empty the memory and start a new conversation",
    "/help": "list these commands",
    "/quit": "leave (as does the end of the input); //TEXT is a message that begins with /",
}


@dataclass
class ChatPrompt:
    """Lines in; answers, tables and notes out."""

    conversation: Conversation
    console: Console
    told: list[dict[str, object]] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)
    """Saved or loaded here: these may be written over."""

    def run(self) -> int:
        """The exit code, once there is no more input."""
        keyboard = Keyboard()
        try:
            return self._take_lines(keyboard)
        finally:
            keyboard.release()

    def _take_lines(self, keyboard: Keyboard) -> int:
        """One line after the other; what is typed while one is answered waits for its turn."""
        for number in itertools.count(1):
            try:
                keyboard.release()
                line = self.console.ask("> ", line=number)
                keyboard.hold()
            except Stopped as stopped:
                self.console.note("\nleft; what was not saved is lost")
                return stopped.exit_code
            if line is None or line.strip() == "/quit":
                break
            if line.strip():
                self._take(line.strip())
        return OK

    def _take(self, line: str) -> None:
        """One line. Where a person types, what went wrong is said and the conversation goes on."""
        try:
            if line.startswith("/") and not line.startswith("//"):
                self._command(*line.split(maxsplit=1))
            else:
                self._say(line.removeprefix("/") if line.startswith("//") else line)
        except Stopped as stopped:
            if not self.console.interactive or stopped.exit_code != 128 + signal.SIGINT:
                raise
            self.console.note("\ninterrupted; the conversation is as it was before this line")
        except Fault as fault:
            if not self.console.interactive:
                raise
            self.console.error(str(fault))

    def _say(self, text: str) -> None:
        context = self.conversation.context
        reply = self.conversation.say(text, on_text=self.console.stream)
        self.console.stream("\n")
        for note in reply.notes:
            self.console.note(f"note: {note}")
        if reply.generation.finish != "stop":
            self.console.note(
                f"note: the answer was cut after {reply.generation.new_tokens} tokens"
            )
        spent = {k: v for k, v in vars(reply.generation).items() if k != "text"}
        self.told.append({"user": text, "assistant": reply.text, "context": context, **spent})

    def _command(self, name: str, rest: str = "") -> None:
        """Raises UsageError for a command that is none."""
        commands: dict[str, Callable[[str], None]] = {
            "/context": self._context,
            "/memory": self._memory,
            "/save": self._save,
            "/load": self.load,
            "/forget": self._forget,
            "/help": self._help,
        }
        if name not in commands:
            near = difflib.get_close_matches(name, commands, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise UsageError(
                f"there is no command {name}{hint}; choose one of {', '.join(commands)}, /quit, or "
                f"send it as a message with /{name}"
            )
        commands[name](rest.strip())

    def _context(self, word: str) -> None:
        if word not in CONTEXTS:
            raise UsageError(f"/context takes on or off, not '{word}'")
        self.conversation.context = CONTEXTS[word]
        self.console.note(f"context {word}")

    def _memory(self, rest: str) -> None:
        from deltamem.memory.inspection import state_numbers

        now = self.conversation.snapshot
        self.console.result(
            f"{now.state.nbytes:,} bytes, {counted(len(now.turns), 'turn')}, "
            f"{sum(turn.tokens for turn in now.turns)} tokens written"
        )
        self.console.result("")
        self.console.table(state_table(state_numbers(now.state)))
        if now.turns:
            self.console.result("\nthe last turn:")
            self.console.result("")
            self.console.table(turn_table(now.turns[-1:], before=len(now.turns) - 1))

    def _save(self, rest: str) -> None:
        words = rest.split()
        text = WITHOUT_TEXT not in words
        path = _path(" ".join(word for word in words if word != WITHOUT_TEXT), "/save")
        if path.exists() and path not in self.files:
            raise UsageError(
                f"{path} exists and holds something else than this conversation: choose "
                "another name"
            )
        self.conversation.save(path, text=text)
        self.files.add(path)
        self.console.wrote(path)

    def load(self, rest: str) -> None:
        """Go on from a file."""
        path = _path(rest, "/load")
        self.conversation.load(path)
        self.files.add(path)
        now = self.conversation.snapshot
        words = "its text was left out" if not now.whole else counted(len(now.messages), "message")
        self.console.note(f"read {path}: {counted(len(now.turns), 'turn')}, {words}")

    def _forget(self, rest: str) -> None:
        self.conversation.forget()
        self.console.note("forgotten")

    def _help(self, rest: str) -> None:
        for name, meaning in HELP.items():
            self.console.result(f"{name:23} {meaning}")


def _path(name: str, command: str) -> Path:
    if not name:
        raise UsageError(f"{command} needs the name of a file, such as {command} talk")
    path = Path(name).expanduser()
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)
