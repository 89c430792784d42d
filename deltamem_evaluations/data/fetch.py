"""Download data once, at one revision, with checksums; later runs need no network.

    DATA/google__IFEval/   the files of the hub's repository     manifest.json

The manifest holds the resolved commit and the sha256 of every file. A folder with a manifest is
complete; one without is gone on with.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from deltamem_base.assets.asset import Asset
from deltamem_base.assets.fetching import fetch_asset
from deltamem_base.digests import sha256_of
from deltamem_base.faults import Unavailable, first_line
from deltamem_base.hub import (
    accept_terms,
    hub_faults,
    is_gated,
    is_offline,
    not_fetched,
    why_unreachable,
)
from deltamem_base.whole_files import write_json
from deltamem_evaluations.data.datafile import UrlSource, cache_folder, locate
from deltamem_evaluations.data.sources import MANIFEST, HubSource, fetched_folder
from deltamem_evaluations.records.environment import timestamp

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

__all__ = ["Source", "check_fetched", "fetch"]

Source = HubSource | UrlSource | Asset
"""Anything that can be fetched."""

Progress = Callable[[int, int, str], None]
"""Called with the numbers of finished and of all files, and the name of the next."""
REFUSED = (401, 403)
"""HTTP: without a token, or with one that has no right to the data."""


def fetch(source: Source, *, progress: Progress | None = None) -> Path:
    """Download what is missing of a source, verify it, and write its manifest.

    Returns:
        The folder of a hub source or an asset, the file of another.

    Raises:
        Unavailable: no network, a gated data set without a token, or a wrong checksum.
    """
    tell = progress or (lambda done, total, name: None)
    if isinstance(source, Asset):
        return fetch_asset(source, progress=tell)
    if isinstance(source, UrlSource):
        tell(0, 1, source.name)
        path = locate(source, given=None)
        _verify(path, source.sha256)
        tell(1, 1, source.name)
        return path
    folder = fetched_folder(source)
    if (folder / MANIFEST).is_file():
        check_fetched(folder)
        return folder
    return _fetch_hub(source, folder, tell)


def check_fetched(folder: Path) -> None:
    """Compare every file of a fetched folder with its manifest.

    Raises:
        Unavailable: a file is missing or has changed; names it and what to do.
    """
    for name, digest in _digests(folder / MANIFEST).items():
        path = folder / name
        if not path.is_file():
            raise Unavailable(f"{path} is missing: remove {folder} and fetch it again")
        _verify(path, digest)


def _digests(manifest: Path) -> dict[str, str]:
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        return {str(name): str(digest) for name, digest in content["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as fault:
        raise Unavailable(f"{manifest} is damaged: remove it and fetch again") from fault


def _verify(path: Path, digest: str) -> None:
    found = sha256_of(path)
    if found != digest:
        raise Unavailable(
            f"{path} is not what was released (sha256 {found[:12]}, expected {digest[:12]}): "
            "remove it and fetch it again"
        )


def _fetch_hub(source: HubSource, folder: Path, tell: Progress) -> Path:
    from huggingface_hub import HfApi, hf_hub_download

    faults = hub_faults()
    try:
        info = HfApi().dataset_info(source.id, revision=source.revision, files_metadata=True)
        files = [f for f in info.siblings or [] if _wanted(f.rfilename, source)]
        if not files:
            raise Unavailable(f"{source.id} has no file like {', '.join(source.files)}")
        digests = {}
        for number, file in enumerate(files):
            tell(number, len(files), file.rfilename)
            got = hf_hub_download(
                source.id,
                file.rfilename,
                repo_type="dataset",
                revision=info.sha,
                local_dir=folder,
            )
            digests[file.rfilename] = sha256_of(Path(got))
            _check_lfs(file, digests[file.rfilename], Path(got))
    except faults as fault:
        raise _explain(source, fault) from fault
    tell(len(files), len(files), "")
    content = {
        "id": source.id,
        "revision": info.sha,
        "licence": source.licence,
        "fetched": timestamp(),
        "files": digests,
    }
    write_json(folder / MANIFEST, content)
    return folder


def _wanted(name: str, source: HubSource) -> bool:
    """A data file of one of the source's splits, or of all where files are not named by split."""
    path = Path(name)
    inside = source.config is None or source.config in path.parts or len(path.parts) == 1
    return inside and any(path.match(p) for p in (*source.files, *source.companions))


def _check_lfs(file: RepoSibling, digest: str, path: Path) -> None:
    expected = getattr(file.lfs, "sha256", None) if file.lfs else None
    if expected is not None and expected != digest:
        path.unlink()
        raise Unavailable(
            f"{file.rfilename} arrived damaged (sha256 {digest[:12]}, the hub says "
            f"{expected[:12]}): fetch it again"
        )


def _explain(source: HubSource, fault: Exception) -> Unavailable:
    terms = accept_terms(source.id, data=True)
    refused = getattr(getattr(fault, "response", None), "status_code", None) in REFUSED
    if is_gated(fault) or (source.gated and refused):
        return Unavailable(f"{source.id} is gated: {terms}")
    gate = f"; it is gated: first {terms}" if source.gated else ""
    return not_fetched(
        source.id,
        why_unreachable() if is_offline() else first_line(fault),
        remedy=f"run this where there is a network and copy {cache_folder()} over, or give a copy "
        f"with {source.setting}=FILE{gate}",
    )
