"""Blocks of the documents, and the note that stands above one: ``<!-- test: NOTE -->``.

    file NAME       the block is a file of the reader's
    skip, REASON    its commands are read and their settings composed, and nothing is run
    WORDS           settings that make each command small; what it prints is then not compared
    NAME=WORD       among them, where NAME is in capitals: a variable of the environment

A ``text`` block right below commands is what they print, with … for what differs from run to run.
A file that is a Python module can be imported by the Python blocks below it.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT

BLOCK = re.compile(
    r"(?:^<!-- test: (?P<note>.+?) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
VARIABLE = re.compile(r"([A-Z_]+)=(.+)")
REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted(p for p in (ROOT / "docs").rglob("*.md") if REFERENCE not in p.parents)
DOCUMENTS = [ROOT / "README.md", *PAGES]


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block of a document."""

    kind: str
    text: str
    note: str
    follows: bool
    """Nothing but white space stands between it and the block before."""

    @property
    def file(self) -> str | None:
        return self.note.removeprefix("file ") if self.note.startswith("file ") else None

    @property
    def skipped(self) -> bool:
        return self.note.startswith("skip, ")

    @property
    def _words(self) -> list[str]:
        return [] if self.skipped or self.file else shlex.split(self.note)

    @property
    def smaller(self) -> list[str]:
        return [word for word in self._words if not VARIABLE.fullmatch(word)]

    @property
    def variables(self) -> Mapping[str, str]:
        found = [variable for word in self._words if (variable := VARIABLE.fullmatch(word))]
        return {variable[1]: variable[2] for variable in found}

    @property
    def module(self) -> str | None:
        """What the block is imported as, if it is a file of Python."""
        return Path(self.file).stem if self.file and self.kind == "python" else None

    @property
    def commands(self) -> list[list[str]]:
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def blocks(document: Path) -> Iterator[Block]:
    text = document.read_text(encoding="utf-8")
    end = 0
    for found in BLOCK.finditer(text):
        follows = not text[end : found.start()].strip()
        yield Block(
            kind=found["kind"], text=found["text"], note=found["note"] or "", follows=follows
        )
        end = found.end()


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


@contextmanager
def forgotten_modules(document: Path) -> Iterator[None]:
    """Forget the modules that a document holds, and the folders in which they were found."""
    path = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        for block in blocks(document):
            sys.modules.pop(block.module or "", None)
