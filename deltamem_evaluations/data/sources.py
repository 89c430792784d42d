"""Rows of a data set: from a local file or folder, from what `deltamem fetch` left, or the hub.

A folder made by ``deltamem fetch`` holds the files of one hub revision and a ``manifest.json``
with the resolved commit and the sha256 of every file. Rows come with words that say where they
stand (``file, line 3``), so that a row of the wrong shape can be named.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_base.digests import sha256_of
from deltamem_base.downloads import say_download
from deltamem_base.faults import InvalidData, Unavailable, first_line
from deltamem_base.hub import accept_terms, is_gated, not_fetched, why_unreachable
from deltamem_base.json_text import read_document
from deltamem_base.quiet import quiet_datasets
from deltamem_evaluations.benchmark import Data
from deltamem_evaluations.data.datafile import cache_folder
from deltamem_evaluations.data.rows.files import SUFFIXES, Row, read_file

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = [
    "MANIFEST",
    "HubSource",
    "fetched_folder",
    "load_rows",
    "read_rows",
]

MANIFEST = "manifest.json"


@dataclass(frozen=True, kw_only=True)
class HubSource:
    """A data set on the Hugging Face hub, and how it is asked for."""

    id: str
    splits: Sequence[str]
    config: str | None = None
    revision: str | None = None
    """Commit; None takes the newest and stores which that was."""
    files: Sequence[str] = ("*.parquet", "*.json", "*.jsonl", "*.csv")
    """Patterns of the files that `deltamem fetch` downloads."""
    companions: Sequence[str] = ()
    """Names of files beside the data that are fetched too and hold no rows."""
    licence: str = ""
    gated: bool = False
    setting: str = "bench.path"
    """The setting by which a user gives a copy of their own."""

    @property
    def folder_name(self) -> str:
        """Name of the folder that holds the fetched files, inside the data folder."""
        return self.id.replace("/", "__")


def load_rows(source: HubSource, *, given: str | None) -> tuple[list[Row], Data]:
    """All rows of all splits.

    Args:
        source: where the data set is published.
        given: a local file or folder of the user's, taken in place of the hub.

    Raises:
        Unavailable: it is not here and cannot be fetched, or is gated.
        InvalidData: a file that cannot be read.
    """
    if given is not None:
        path = Path(given).expanduser()
        if not path.exists():
            raise Unavailable(f"{source.setting}={given}: there is no such file or folder")
        return read_rows(path, source)
    folder = fetched_folder(source)
    if (folder / MANIFEST).is_file():
        return read_rows(folder, source)
    return _from_hub(source)


def fetched_folder(source: HubSource) -> Path:
    """The folder into which `deltamem fetch` puts this data set."""
    return cache_folder() / source.folder_name


def read_rows(path: Path, source: HubSource) -> tuple[list[Row], Data]:
    """Rows of a file, or of all data files below a folder in the order of their names."""
    files = (
        [path]
        if path.is_file()
        else sorted(
            p
            for p in path.rglob("*")
            if p.suffix in SUFFIXES and p.name not in (MANIFEST, *source.companions)
        )
    )
    if not files:
        raise InvalidData(f"{path} holds no data file ({', '.join(SUFFIXES)})")
    matching = [f for f in files if any(f.match(pattern) for pattern in source.files)]
    files = matching or files
    rows = [row for file in files for row in read_file(file, split=_split_of(file, source))]
    manifest = path / MANIFEST
    revision = None
    if manifest.is_file():
        revision = read_document(manifest, dict).get("revision")
    digests = [sha256_of(file) for file in files]
    digest = (
        digests[0] if len(files) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )
    return rows, Data(source=source.id, revision=revision, sha256=digest)


def _split_of(file: Path, source: HubSource) -> str | None:
    """The split that a file or its folder is named for."""

    def names(split: str) -> bool:
        return file.name.startswith(split) or file.parent.name == split or f"-{split}" in file.stem

    return next((split for split in source.splits if names(split)), None)


def _from_hub(source: HubSource) -> tuple[list[Row], Data]:
    """Rows from the hub's cache, or from the network where there is one."""
    from datasets import load_dataset

    rows: list[Row] = []
    revision = source.revision
    with quiet_datasets() as online:
        if online:
            say_download(source.id, source="the hub")
        try:
            for split in source.splits:
                data = load_dataset(source.id, source.config, split=split, revision=source.revision)
                revision = _commit(data) or revision
                rows += [
                    Row(where=f"{source.id}, {split}, row {i + 1}", split=split, values=values)
                    for i, values in enumerate(data)
                ]
        except (OSError, ValueError, RuntimeError) as fault:
            why = first_line(fault) if online else why_unreachable()
            raise _explain(source, fault, why) from fault
    digest = hashlib.sha256()
    for row in rows:
        text = json.dumps(row.values, sort_keys=True, ensure_ascii=False, default=str)
        digest.update(text.encode())
    return rows, Data(source=source.id, revision=revision, sha256=digest.hexdigest())


def _commit(data: Dataset) -> str | None:
    """The commit that a data set of `datasets` came from, where it tells."""
    for url in getattr(data.info, "download_checksums", None) or {}:
        _, at, rest = str(url).partition("@")
        if at:
            return rest.partition("/")[0]
    return None


def _explain(source: HubSource, fault: Exception, why: str) -> Unavailable:
    copy = f"give a copy with {source.setting}=FILE"
    if source.gated or is_gated(fault):
        terms = accept_terms(source.id, data=True)
        return Unavailable(
            f"{source.id} is gated and not on this machine: {terms}, then run `deltamem fetch`; or "
            + copy
        )
    return not_fetched(
        source.id, why, remedy=f"run `deltamem fetch` where there is a network, or {copy}"
    )
