"""Text and JSON from bytes, for every file that a user may give: what is wrong, and where.

All text is UTF-8, with or without a byte order mark. JSON must hold nothing that is no text (half
of a surrogate pair), no key twice in one object, and no deeper nesting than Python reads.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from deltamem_base.faults import InvalidData

__all__ = ["decode", "kind_of", "parse_json", "read_document", "read_json_rows", "read_text"]

Kind = TypeVar("Kind")

HALF = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
"""Escapes that stand together, and (captured) a surrogate that stands alone."""


def decode(content: bytes, *, where: str, line: int = 1) -> str:
    """The text of UTF-8 bytes, without a byte order mark.

    Args:
        content: bytes of a file, or of one line of it.
        where: name of the file or stream, for the message.
        line: number of the first line of ``content``.

    Raises:
        InvalidData: another encoding; names line and character.
    """
    encoding = json.detect_encoding(content[:4])
    if not encoding.startswith("utf-8"):
        raise InvalidData(
            f"{where}, line {line}, character 1: this is {encoding[:6].upper()} text; save it as "
            "UTF-8"
        )
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError as fault:
        start = content.rfind(b"\n", 0, fault.start) + 1
        number = line + content.count(b"\n", 0, start)
        character = len(content[start : fault.start].decode()) + 1
        raise InvalidData(
            f"{where}, line {number}, character {character}: the byte "
            f"0x{content[fault.start]:02x} is not UTF-8; save it as UTF-8"
        ) from fault


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        InvalidData: it cannot be read, or is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as fault:
        raise InvalidData(f"{path} cannot be read: {fault.strerror}") from fault
    return decode(content, where=str(path))


def parse_json(text: str, *, where: str, line: int = 1) -> object:
    """The content of a JSON text.

    Args:
        text: of a whole file, or of one line of it.
        where: name of the file, for the message.
        line: number of the first line of ``text``.

    Raises:
        InvalidData: not JSON, nested too deeply, a key twice in one object, or half of a surrogate
            pair; names line and character where they are known.
    """
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except RecursionError as fault:
        raise InvalidData(f"{where}, line {line}: the JSON is nested too deeply") from fault
    except json.JSONDecodeError as fault:
        at = f"{where}, line {line + fault.lineno - 1}, character {fault.colno}"
        raise InvalidData(f"{at}: this is not JSON ({fault.msg})") from fault
    except ValueError as fault:
        raise InvalidData(f"{where}, line {line}: {fault}") from fault
    half = next((found for found in HALF.finditer(text) if found[1]), None)
    if half is not None:
        start = text.rfind("\n", 0, half.start()) + 1
        at = f"{where}, line {line + text.count(chr(10), 0, start)}, character "
        raise InvalidData(
            f"{at}{half.start() - start + 1}: {half[1]} is half of a surrogate pair, "
            "which is not valid text"
        )
    return content


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key '{twice}' twice")
    return content


def read_document(path: Path, kind: type[Kind]) -> Kind:
    """The content of a JSON file whose top level is a ``kind``.

    Raises:
        InvalidData: not such a file.
    """
    content = parse_json(read_text(path), where=str(path))
    if not isinstance(content, kind):
        raise InvalidData(f"{path} holds {kind_of(content)}, not {kind_of(kind())}")
    return content


def read_json_rows(path: Path) -> Iterator[tuple[str, object]]:
    """The rows of a file with where each stands, whatever form of JSON it has and is named for.

    A row per line; a list of rows; an object of rows by their ids; or a single row.

    Raises:
        InvalidData: neither JSON nor JSON lines, or no row.
    """
    text = read_text(path)
    # not splitlines(): JSON strings may hold U+2028 and its like as they are
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise InvalidData(f"{path} is empty")
    if len(lines) > 1 and _is_whole(lines[0][1]):
        for number, line in lines:
            yield f"{path}, line {number}", parse_json(line, where=str(path), line=number)
        return
    content = parse_json(text, where=str(path))
    if isinstance(content, Mapping):
        if not all(isinstance(row, Mapping) for row in content.values()):
            yield f"{path}, line {lines[0][0]}", content
            return
        content = [{"id": key, **row} for key, row in content.items()]
    if not isinstance(content, list):
        raise InvalidData(f"{path} holds {kind_of(content)}, not a list of rows")
    if not content:
        raise InvalidData(f"{path} holds no row")
    for number, row in enumerate(content, 1):
        yield f"{path}, row {number}", row


def _is_whole(line: str) -> bool:
    """Whether a line is JSON by itself, as the first line of a longer document hardly is."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def kind_of(value: object) -> str:
    """The JSON word for the kind of a value, with its article."""
    if value is None:
        return "null"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "text"),
        (Mapping, "an object"),
        ((list, tuple), "a list"),
    )
    return next((word for kind, word in kinds if isinstance(value, kind)), type(value).__name__)
