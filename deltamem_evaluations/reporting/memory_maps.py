"""Heat-maps of memories that `deltamem inspect` left beside runs, with the text of their turns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from deltamem_base.excerpts import in_a_line
from deltamem_base.faults import InvalidData
from deltamem_base.typed_json import read_typed
from deltamem_base.whole_files import write_json
from deltamem_evaluations.figures.inline_svg import inline_svg
from deltamem_evaluations.records.stored import StoredRecord

__all__ = ["MEMORY_MAP", "MemoryMap", "memory_maps", "write_turns"]

MEMORY_MAP = "memory__*.svg"
"""A heat-map of the states, where `deltamem inspect` left one in the run's folder."""
TURNS = ".turns.json"
"""Ends the name of the file with the turns of a heat-map, which else is called as its picture."""
LONGEST = 400
"""Characters of a turn that are shown."""


@dataclass(frozen=True, kw_only=True)
class _Turns:
    texts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class MemoryMap:
    """A picture of one memory, and what was said in each turn."""

    cell: str
    svg: str
    turns: Sequence[str] = ()
    """Texts of the turns in order; none where the benchmark's texts are confidential."""


def write_turns(texts: Sequence[str], *, path: Path) -> Path:
    """Keep the text of each turn beside a heat-map.

    Args:
        texts: in order.
        path: of the heat-map, without suffix.

    Raises:
        CannotWrite: what was there before is untouched.
    """
    turns = _Turns(texts=tuple(texts))
    return write_json(path.with_name(path.name + TURNS), asdict(turns))


def memory_maps(stored: Iterable[StoredRecord]) -> tuple[list[MemoryMap], list[str]]:
    """Heat-maps beside the runs, and a sentence for each that cannot be shown."""
    found, faults = [], []
    for number, one in enumerate(stored):
        path = one.beside(MEMORY_MAP)
        if path is None:
            continue
        try:
            found.append(_read(path, one.record.cell, prefix=f"m{number}-"))
        except (OSError, UnicodeDecodeError, InvalidData) as fault:
            faults.append(f"{path} is not shown: {fault}")
    return found, faults


def _read(path: Path, cell: str, *, prefix: str) -> MemoryMap:
    svg = inline_svg(path.read_text(encoding="utf-8"), prefix=prefix, label=f"memory of {cell}")
    beside = path.with_suffix(TURNS)
    texts = read_typed(beside, _Turns).texts if beside.is_file() else ()
    turns = [in_a_line(text, longest=LONGEST) for text in texts]
    return MemoryMap(cell=cell, svg=svg, turns=turns)
