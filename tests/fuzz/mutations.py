"""Seeded damage to files: bytes flipped and cut, and JSON in which anything stands anywhere."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

DEEP = 100_000
"""Levels of brackets, far beyond what a parser that recurses can take."""
HOLE = "@deep@"
"""Stands for the brackets until the JSON is text."""
NONSENSE: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 10**30, -(10**30), 1e308, 0.5, math.nan, math.inf, -math.inf),
    *("", " ", "x" * 5000, "\ud800", "\x1b[2J\x07", "\u202e\u2028", "a\nb", "=1+1", "[a](b)", "0"),
    *("..", "../../etc/passwd", "/etc/passwd", "~", "${oc.env:HOME}", "${", "???", "file:///x"),
    *("os.system", "torch.load", HOLE, [], {}, [[]], [None], {"": ""}, [1, "a", {}]),
    *({"_target_": "os.system", "command": "touch EVIL"}, {"_args_": [], "_partial_": True}),
)
"""Values that stand where no one expects them."""
KEYS = ("", "_target_", "_partial_", "__class__", "..", "${x}", "\ud800", "a.b", "extra", "\x1b")
Damage = Callable[[bytes, Random], bytes]


def damaged_bytes(content: bytes, rng: Random) -> bytes:
    """Bits flipped, an end cut off, or a piece that is doubled, lost or noise."""
    at = rng.randrange(len(content) + 1)
    length = rng.choice((1, 8, 100))
    kind = rng.randrange(5)
    if kind == 0:
        changed = bytearray(content)
        for _ in range(rng.choice((1, 3, 30))):
            place = rng.randrange(len(changed))
            changed[place] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if kind == 1:
        return content[:at]
    if kind == 2:
        return content[:at] + content[at : at + length] + content[at:]
    if kind == 3:
        return content[:at] + content[at + length :]
    return content[:at] + rng.randbytes(length) + content[at:]


def damaged_json(content: bytes, rng: Random) -> bytes:
    """One to three places of a JSON document changed; now and then its bytes."""
    if rng.random() < 0.1:
        return damaged_bytes(content, rng)
    tree = json.loads(content)
    for _ in range(rng.choice((1, 1, 3))):
        tree = changed_tree(tree, rng)
    return written(tree)


def damaged_lines(content: bytes, rng: Random) -> bytes:
    """One line of JSON lines changed, doubled, lost or moved."""
    lines = content.split(b"\n")
    at = rng.randrange(len(lines) - 1) if len(lines) > 1 else 0
    kind = rng.randrange(6)
    if kind == 0:
        lines.insert(at, lines[rng.randrange(len(lines))])
    elif kind == 1:
        del lines[at]
    elif lines[at]:
        lines[at] = damaged_json(lines[at], rng)
    return b"\n".join(lines)


def damaged_header(content: bytes, rng: Random) -> bytes:
    """A safetensors file whose header says something else; the data stays."""
    if rng.random() < 0.3:
        return damaged_bytes(content, rng)
    size = int.from_bytes(content[:8], "little")
    header = damaged_json(content[8 : 8 + size], rng)
    length = len(header) if rng.random() < 0.9 else rng.getrandbits(63)
    return length.to_bytes(8, "little") + header + content[8 + size :]


def changed_tree(tree: Any, rng: Random) -> Any:
    """A tree with one value replaced, one key lost, renamed or added."""
    places = list(_places(tree))
    if not places or rng.random() < 0.05:
        return rng.choice(NONSENSE)
    holder, key = rng.choice(places)
    kind = rng.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, dict):
        holder[rng.choice(KEYS)] = rng.choice(NONSENSE)
    elif kind == 2 and isinstance(holder, dict):
        holder[rng.choice(KEYS)] = holder.pop(key)
    elif kind == 3:
        holder[key] = [holder[key]]
    elif kind == 4:
        holder[key] = str(holder[key])
    else:
        holder[key] = rng.choice(NONSENSE)
    return tree


def written(tree: Any) -> bytes:
    """JSON as nobody should write it: NaN, halves of surrogate pairs, 100,000 brackets."""
    text = json.dumps(tree)
    return text.replace(f'"{HOLE}"', "[" * DEEP + "]" * DEEP).encode()


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, dict):
        keys: Any = list(node)
    elif isinstance(node, list):
        keys = range(len(node))
    else:
        return
    for key in keys:
        yield node, key
        yield from _places(node[key])
