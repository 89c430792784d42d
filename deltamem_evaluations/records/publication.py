"""A published run: its record, its lines packed, and who measured it.

results/NAME/CELL/record.json        the record
                  samples.jsonl.gz   its lines, without texts where these may not be spread
                  publication.json   who measured it, the command, digests of both
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import MinLen

from deltamem_base.typed_json import read_typed
from deltamem_base.whole_files import write_bytes, write_json
from deltamem_evaluations.records.record import RECORD, Record
from deltamem_evaluations.records.sample_line import SampleLine, line_text
from deltamem_evaluations.records.store import PACKED, packed

__all__ = ["PUBLICATION", "Publication", "read_publication", "record_digest", "write_published"]

PUBLICATION = "publication.json"
"""The file of a published run that says who measured it."""

Texts = Literal["whole", "withheld"]


@dataclass(frozen=True, kw_only=True)
class Publication:
    """All that is said of a run when it is published, beside its record."""

    measured_by: Annotated[str, MinLen(1)]
    """A person, a group or a project."""
    command: str
    """The ``deltamem eval`` that makes the run again."""
    texts: Texts
    """Whether questions and answers stand in its lines."""
    record_sha256: str
    """sha256 of the record's file."""
    samples_sha256: str
    """sha256 of its lines, unpacked."""
    schema: Literal[1] = 1


def read_publication(folder: Path) -> Publication | None:
    """The words that a run was published with; None of one that was not.

    Raises:
        InvalidData: a damaged file.
    """
    path = folder / PUBLICATION
    return read_typed(path, Publication) if path.is_file() else None


def write_published(
    folder: Path,
    record: Record,
    lines: Sequence[SampleLine],
    *,
    measured_by: str,
    command: str,
    texts: Texts,
) -> list[Path]:
    """Write the three files of a published run.

    Args:
        folder: of the run, among the results.
        record: complete.
        lines: its lines in their order; cut here where ``texts`` are withheld.
        measured_by: who made the run.
        command: that makes it again.
        texts: whether questions and answers may be spread.

    Returns:
        The files.
    """
    shown = [line.withheld() if texts == "withheld" else line for line in lines]
    content = "".join(map(line_text, shown)).encode()
    said = Publication(
        measured_by=measured_by,
        command=command,
        texts=texts,
        record_sha256=record_digest(record),
        samples_sha256=hashlib.sha256(content).hexdigest(),
    )
    return [
        write_json(folder / RECORD, record.to_json()),
        write_bytes(folder / PACKED, packed(content)),
        write_json(folder / PUBLICATION, asdict(said)),
    ]


def record_digest(record: Record) -> str:
    """sha256 of a record, whatever the order and the spacing of its file."""
    text = json.dumps(record.to_json(), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
