"""Constants of a benchmark's Python files, parsed and never run."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from deltamem_base.faults import InvalidData, Unavailable

__all__ = ["file_of_checkout", "plain_constants"]


def file_of_checkout(given: str, *, inside: str, setting: str) -> Path:
    """A file of MemoryAgentBench's repository.

    Args:
        given: a checkout of the user's, or the file itself.
        inside: its place in a checkout.
        setting: that it was given by, for the message.

    Raises:
        Unavailable: there is no such file.
    """
    path = Path(given).expanduser()
    path = path / inside if path.is_dir() else path
    if not path.is_file():
        raise Unavailable(
            f"{setting}={given}: there is no {path}; give a checkout of MemoryAgentBench or its "
            f"{inside}"
        )
    return path


def plain_constants(path: Path) -> dict[str, object]:
    """Constants of a Python file by name: those whose values are literals.

    A value may name constants of text that stand before it; anything else that would have to be
    run is left out.

    Raises:
        InvalidData: a file that is no Python.
    """
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        raise InvalidData(f"{path} cannot be read as Python: {fault}") from fault
    found: dict[str, object] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            try:
                found[node.targets[0].id] = _plain(node.value, found)
            except (ValueError, TypeError, RecursionError):  # TypeError: a key that cannot be one
                continue
    return found


def _plain(node: ast.expr | None, constants: Mapping[str, object]) -> object:
    """The value of a literal that may name constants of text.

    Raises:
        ValueError: anything that would have to be run.
    """
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_plain(key, constants): _plain(value, constants) for key, value in pairs}
    if isinstance(node, ast.Name) and isinstance(text := constants.get(node.id), str):
        return text
    if node is None:
        raise ValueError("an unpacked table")
    return ast.literal_eval(node)
