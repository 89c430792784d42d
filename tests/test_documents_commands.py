"""Command blocks of the documents run as they stand, in order, and print what stands below."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import Any

import pytest
import typer
from conftest import ROOT, Done
from document_blocks import DOCUMENTS, Block, blocks, forgotten_modules, name_of

from deltamem_cli.app import VERBS, app
from deltamem_cli.errors import UsageError
from deltamem_cli.settings.compose import compose_each
from deltamem_cli.settings.instantiate import check_types

INLINE = re.compile(r"`(deltamem(?: [^`|…]*)?)`")
PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b|\bA B\b|\.\.\.")
OF_NO_CONFIG = ("train:", "eval:", "table=", "cell=")
"""Beginnings of words that `ablate` hands on, and of those that only `reproduce` knows."""
WITH_A_CONFIG = ("ablate", "chat", "demo", "eval", "pretrain", "serve", "train")
OPTIONS = {name for option in typer.main.get_command(app).params for name in option.opts}
"""Options of `deltamem` without a verb."""
OF_OTHERS = ("eval", "train", "fetch")
"""Configs that the settings of a verb without one may be of."""


def parsed(words: Sequence[str]) -> Mapping[str, Any]:
    """What the parameters of a verb are set to; nothing is run."""
    assert words[0] in VERBS, words
    command = typer.main.get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    return dict(command.make_context(words[0], list(words[1:])).params)


def configs_of(verb: str, said: Mapping[str, Any]) -> tuple[Sequence[str], Sequence[str]]:
    """Configs that a command's settings may be of, and the settings."""
    if verb == "doctor":
        examined = said["words"] or []
        named = [one for one in examined[:1] if "=" not in one]
        return named or ["eval"], examined[len(named) :]
    return [verb] if verb in WITH_A_CONFIG else OF_OTHERS, said.get("overrides") or []


def check_without_running(words: Sequence[str]) -> None:
    """Parse a command, and compose its settings where its verb has any."""
    said = parsed(words)
    configs, told = configs_of(words[0], said)
    settings = [one for one in told if not one.startswith(OF_NO_CONFIG)]
    faults = []
    for primary in configs:
        try:
            (composed,) = compose_each(primary, [settings])
            if not any("_target_=" in one for one in settings):  # of a package that is not here
                check_types(composed.tree)
            return
        except UsageError as fault:
            faults.append(fault)
    assert said.get("multirun") or not settings, faults


def of_ours(command: Sequence[str]) -> Sequence[str]:
    """The words behind ``deltamem``, or behind its module where a launcher starts it."""
    starts = [n for n, word in enumerate(command) if word in ("deltamem", "deltamem_cli")]
    return command[starts[0] + 1 :] if starts else []


def expanded(word: str) -> list[str]:
    """What a shell makes of it: the files that a pattern fits."""
    return glob(word) if "*" in word else [word]


def run_block(block: Block, cli: Callable[..., Done]) -> str:
    """What the commands of a block print."""
    printed = ""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in block.variables.items():
            environment.setenv(name, value)
        for program, *words in block.commands:
            assert program == "deltamem", "a block with other programs names why it is skipped"
            done = cli(*(one for word in words for one in expanded(word)), *block.smaller)
            assert done.code == 0, (words, done.out, done.err)
            printed += done.out + done.err
    return printed


def check_printed(printed: str, said: str) -> None:
    """Each line that a document shows was printed, in this order; … stands for anything."""
    lines = iter(" ".join(line.split()) for line in printed.splitlines())
    for line in filter(None, (" ".join(line.split()) for line in said.splitlines())):
        wanted = re.compile(".*".join(map(re.escape, line.split("…"))))
        assert any(wanted.fullmatch(one) for one in lines), f"{printed}\ndoes not go on with {line}"


def run_document(document: Path, cli: Callable[..., Done]) -> None:
    """Run its blocks in order, in one folder."""
    printed: str | None = None
    for block in blocks(document):
        if block.file is not None:
            Path(block.file).write_text(block.text, encoding="utf-8")
        elif block.kind == "text":
            if block.follows and printed is not None:
                check_printed(printed, block.text)
            printed = None
        elif block.kind == "bash" and block.skipped:
            for words in map(of_ours, block.commands):
                if words:
                    check_without_running(words)
            printed = None
        elif block.kind == "bash":
            printed = run_block(block, cli)
            printed = None if block.smaller else printed


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_run_and_print_what_is_said(document: Path, cli: Callable[..., Done]) -> None:
    with forgotten_modules(document):
        run_document(document, cli)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_commands_in_sentences_can_be_read(document: Path) -> None:
    for command in INLINE.findall(document.read_text(encoding="utf-8")):
        _, *words = command.split()
        assert not words or words[0] in VERBS or words[0] in OPTIONS
        if len(words) > 1 and not PLACEHOLDER.search(command):
            parsed([word.strip("'\"") for word in words])


def test_what_is_not_printed_is_noticed() -> None:
    check_printed("one 1.5 s\ntwo\n", "one … s\n")
    with pytest.raises(AssertionError, match="go on with three"):
        check_printed("one\ntwo\n", "three\n")
    with pytest.raises(Exception, match="No such option"):
        check_without_running(["eval", "--no-such-option"])
    with pytest.raises(AssertionError, match="no writer 'nobody'"):
        check_without_running(["train", "writer=nobody"])


def test_every_verb_stands_in_the_table_of_commands() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Which command")[2]
    assert {verb for verb in VERBS if not re.search(rf"`{verb}[ `]", table)} == set()
