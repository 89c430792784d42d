"""Settings as a shell completes them: ``model=<TAB>``, from the names of the yaml files alone."""

from __future__ import annotations

import re

import typer

__all__ = ["complete_setting"]

OF_A_GROUP = re.compile(r"^  - (?:override )?/?(\w+):", re.MULTILINE)
"""A group in a list of defaults."""


def complete_setting(context: typer.Context, incomplete: str) -> list[str]:
    """Endings of a word of settings that is being typed.

    Bash takes ``model``, ``=`` and ``ti`` of ``model=ti`` for three words, and completes the last.

    Args:
        context: the verb, with the words before.
        incomplete: the word at the cursor, as the shell has cut it.
    """
    from deltamem_cli.settings.groups import options

    known = _groups(context.info_name or "")
    before = [str(word) for value in context.params.values() for word in _words(value)]
    bare = before[:-1] if before[-1:] == ["="] else before
    group, equals, start = incomplete.rpartition("=")
    if equals:
        return _choices(options(group), start, prefix=f"{group}=") if group in known else []
    if bare and bare[-1] in known:
        return _choices(options(bare[-1]), incomplete)
    begun = [name for name in known if name.startswith(incomplete)]
    if len(begun) == 1:
        # several words with one beginning: the shell writes that, and no space behind it
        return _choices(options(begun[0]), "", prefix=f"{begun[0]}=")
    return [f"{name}=" for name in begun]


def _choices(names: list[str], start: str, *, prefix: str = "") -> list[str]:
    """The names that a value may end in, which in a sweep has others before it."""
    before, comma, last = start.rpartition(",")
    return [f"{prefix}{before}{comma}{name}" for name in names if name.startswith(last)]


def _words(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else []


def _groups(verb: str) -> list[str]:
    """The groups that a verb has; those of an evaluation where its config is not of its name."""
    from deltamem_cli.settings.groups import groups
    from deltamem_cli.settings.paths import config_folder

    own = config_folder() / f"{verb}.yaml"
    path = own if own.is_file() else config_folder() / "eval.yaml"
    named = set(OF_A_GROUP.findall(path.read_text(encoding="utf-8")))
    return [group for group in groups() if group in named]
