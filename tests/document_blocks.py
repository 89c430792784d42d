"""Blocks of the documents, and the note that stands above one: ``<!-- test: NOTE -->``.

    file NAME       the block is a file of the reader's
    skip, REASON    its commands are read and their settings composed, and nothing is run
    WORDS           settings that make each command small; what it prints is then not compared

A ``text`` block right below commands is what they print, with … for what differs from run to run.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conftest import ROOT

BLOCK = re.compile(
    r"(?:^<!-- test: (?P<note>.+?) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
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
    def smaller(self) -> list[str]:
        return [] if self.skipped or self.file else shlex.split(self.note)

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
