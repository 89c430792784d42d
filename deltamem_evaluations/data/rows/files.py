"""Rows of local files: JSON in all its forms, CSV and parquet, each row with where it stands."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deltamem_base.faults import InvalidData
from deltamem_base.json_text import kind_of, read_json_rows, read_text

__all__ = ["SUFFIXES", "Row", "read_file"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a data set and where it stands."""

    where: str
    split: str | None
    """None where neither the file nor its folder is named for one."""
    values: Mapping[str, object]


def read_file(path: Path, *, split: str | None = None) -> Iterator[Row]:
    """The rows of a file.

    Args:
        path: a JSON, JSON lines, CSV or parquet file.
        split: which split of its data set the file is named for.

    Raises:
        InvalidData: a file that cannot be read, or a row that is no object.
    """
    if path.suffix not in READERS:
        raise InvalidData(f"{path} is not one of {', '.join(SUFFIXES)}")
    for where, values in READERS[path.suffix](path):
        if not isinstance(values, Mapping):
            raise InvalidData(f"{where} holds {kind_of(values)}, not a row")
        yield Row(where=where, split=split, values=values)


def _csv_rows(path: Path) -> Iterator[tuple[str, object]]:
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    try:
        for row in reader:
            # a line with more cells than the header has them under None
            yield f"{path}, line {reader.line_num}", {k: v for k, v in row.items() if k is not None}
    except csv.Error as fault:
        raise InvalidData(f"{path}, line {reader.line_num} is not CSV: {fault}") from fault


def _parquet_rows(path: Path) -> Iterator[tuple[str, object]]:
    import pyarrow.parquet as pq
    from pyarrow import ArrowException

    number = 0
    try:
        for batch in pq.ParquetFile(path).iter_batches(batch_size=64):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row
    except (ArrowException, OSError) as fault:
        raise InvalidData(f"{path} cannot be read as parquet: {fault}") from fault
    except UnicodeDecodeError as fault:
        raise InvalidData(
            f"{path}, one of the rows from {number + 1} on holds text that is not UTF-8"
        ) from fault


READERS = {
    ".json": read_json_rows,
    ".jsonl": read_json_rows,
    ".csv": _csv_rows,
    ".parquet": _parquet_rows,
}
SUFFIXES = tuple(READERS)
