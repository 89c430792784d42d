"""Settings as words of the command line, merged so that the last word on a key wins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deltamem_cli.settings.grammar import write

__all__ = ["as_overrides", "merged", "replaced", "value_of"]

Words = tuple[str, ...]
PARTS = ("train", "eval")


def merged(*parts: Iterable[str]) -> Words:
    """``key=value`` words of several places, in order; a later one on a key replaces an earlier."""
    found: dict[str, str] = {}
    for word in (str(word) for part in parts for word in part):
        key = word.partition("=")[0]
        found.pop(key, None)
        found[key] = word
    return tuple(found.values())


def value_of(words: Sequence[str], key: str) -> str | None:
    """The value of a key, None where no word has it."""
    return next((w.partition("=")[2] for w in words if w.partition("=")[0] == key), None)


def replaced(words: Sequence[str], group: str, by: Sequence[str]) -> Words:
    """Another choice of a group: its old choice and all settings of it make room."""
    kept = [
        w
        for w in words
        if (key := w.partition("=")[0]) != group and not key.startswith(f"{group}.")
    ]
    return merged(kept, by)


def as_overrides(words: Sequence[str]) -> list[str]:
    """``train:WORD`` and ``eval:WORD`` gathered into the lists that ``conf/ablate.yaml`` has."""
    plain = [word for word in words if not word.startswith(tuple(f"{part}:" for part in PARTS))]
    for part in PARTS:
        own = [w.removeprefix(f"{part}:") for w in words if w.startswith(f"{part}:")]
        plain += [f"{part}={write(own)}"] if own else []
    return plain
